import { type Status, statusSchema } from "../../api/schemas.ts";
import { meaningOf } from "../../codes.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { syncLine } from "../sync-status.ts";
import { duration, facts, gain, short, show } from "../terminal.ts";

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
    ["device", `${status.device}, lichend ${status.version}, up ${duration(status.uptimeSeconds)}`],
    ...(status.models.length > 1
      ? [["models", `${status.models.join(", ")} (--of NAME; what follows is of one)`] as const]
      : []),
    ["model", `${status.model.id} ${status.model.version}, ${status.model.labels.length} classes`],
    ["adapter", `${short(adapter.serving)} (version ${adapter.version}), before it ${short(adapter.previous)}`],
    ["inferences", `${status.inferences}${latencies(status.inference.latency)}`],
    ["samples", `${samples.total}, of these new ${samples.new}`],
    ...sums.map((sum) => ["source", sum] as const),
    [
      "round",
      round.progress ? `${round.progress.phase} ${round.progress.done}/${round.progress.total}` : waiting(round.state),
    ],
    ...(last
      ? [["last round", `${last.id} ${last.kind} ${last.outcome.tag}: ${gain(last.metrics, "heldOut")}`] as const]
      : []),
    ["sync", syncLine(status.sync)],
    ...status.problems.map(({ message }) => ["problem", message] as const),
  ]);
}

/** A daemon of a later version may have other reasons. */
function waiting(state: string): string {
  const meaning = meaningOf(state, "round");
  return meaning === null ? state : `${state}: ${meaning.explanation} (lichen why)`;
}

const latencies = ({ p50Ms, p95Ms, p99Ms }: Status["inference"]["latency"]): string =>
  p50Ms === null || p95Ms === null || p99Ms === null
    ? ""
    : `; p50 ${p50Ms.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`;
