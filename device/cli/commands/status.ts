import { type Status, statusSchema } from "../../api/schemas.ts";
import { REASON_CODES, REASONS, type ReasonCode } from "../../governor/reasons.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { facts, percent, short, show } from "../terminal.ts";

export const addStatus: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("status", "what the daemon serves, has and does").action(async (options: OnlineOptions) => {
      const status = await clientOf(options).get("/v1/status", statusSchema);
      show(terminal, options.json === true, status, readable(status));
    }),
  );

function readable(status: Status): string {
  const { adapter, samples, round } = status;
  const last = round.last;
  const sums = status.sources.map(
    (s) => `${s.name}: ${s.accepted} stored, ${s.inferred} inferred, ${s.rejected} rejected`,
  );
  return facts([
    ["device", `${status.device}, lichend ${status.version}, up ${status.uptimeSeconds} s`],
    ...(status.models.length > 1
      ? [["models", `${status.models.join(", ")} (--of NAME; what follows is of one)`] as const]
      : []),
    ["model", `${status.model.id} ${status.model.version}, ${status.model.labels.length} classes`],
    ["adapter", `${short(adapter.serving)} (version ${adapter.version}), before it ${short(adapter.previous)}`],
    ["inferences", status.inferences],
    ["samples", `${samples.total}, of these new ${samples.new}`],
    ...sums.map((sum) => ["source", sum] as const),
    [
      "round",
      round.progress ? `${round.progress.phase} ${round.progress.done}/${round.progress.total}` : waiting(round.state),
    ],
    ...(last
      ? [
          [
            "last round",
            `${last.id} ${last.kind} ${last.outcome.tag}: ${percent(last.metrics?.before.heldOut?.accuracy)} → ${percent(last.metrics?.after.heldOut?.accuracy)}`,
          ] as const,
        ]
      : []),
    [
      "sync",
      status.sync === null
        ? "no fleet configured"
        : Object.entries(status.sync)
            .map(([k, v]) => `${k} ${JSON.stringify(v)}`)
            .join(", "),
    ],
    ...status.problems.map(({ message }) => ["problem", message] as const),
  ]);
}

/** A daemon of a later version may have other reasons. */
const waiting = (state: string): string =>
  REASON_CODES.includes(state as ReasonCode) ? REASONS[state as ReasonCode].explanation : state;
