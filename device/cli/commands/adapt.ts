import { LichenError } from "../../../runtime/errors.ts";
import { type RoundEvent, roundEventSchema } from "../../api/schemas.ts";
import type { Round } from "../../rounds/record.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { progressBar } from "../progress.ts";
import { DaemonRefusal } from "../refusal.ts";
import { facts, gain, short, show, type Terminal } from "../terminal.ts";
import { adaptOffline, type OfflineCommandOptions, offlineAdaptOptions } from "./adapt-offline.ts";

/** `lichen adapt`: a round of the daemon now; with `--model`, training without a daemon. */
export const addAdapt: AddCommand = (program, terminal) => {
  const command = onlineCommand("adapt", "train a round now; with --model, train without a daemon");
  for (const option of offlineAdaptOptions()) command.addOption(option);
  command.action((options: OnlineOptions & OfflineCommandOptions) =>
    options.model === undefined ? adaptOnline(options, terminal) : adaptOffline(options, terminal),
  );
  program.addCommand(command);
};

async function adaptOnline(options: OnlineOptions, terminal: Terminal): Promise<void> {
  const bar = progressBar(terminal);
  try {
    const round = await lastRound(clientOf(options).follow("/v1/adapt", roundEventSchema), bar.show);
    bar.stop();
    show(terminal, options.json === true, { schema: "lichen/round/1", round }, readable(round));
    if (round.outcome.tag !== "accepted") process.exitCode = EXIT.failed;
  } finally {
    bar.stop();
  }
}

async function lastRound(
  events: AsyncIterable<RoundEvent>,
  onProgress: (progress: Extract<RoundEvent, { tag: "progress" }>["progress"]) => void,
): Promise<Round> {
  for await (const event of events) {
    if (event.tag === "done") return event.round;
    if (event.tag === "failed") throw new DaemonRefusal(event.error.code, event.error.message);
    onProgress(event.progress);
  }
  throw new LichenError("DAEMON_NOT_REACHABLE", {
    found: "an answer without an end",
    todo: "see lichen status for the round",
  });
}

function readable({ outcome, metrics, seconds, samples, adapter, id }: Round): string {
  return facts([
    ["round", `${id} ${outcome.tag}`],
    ["reason", outcome.tag === "failed" ? outcome.message : outcome.tag === "running" ? "" : outcome.explanation],
    ["samples", `${samples.train} trained on, ${samples.heldOut} held out`],
    ["held out", gain(metrics, "heldOut")],
    ["rehearsal", gain(metrics, "rehearsal")],
    ["adapter", short(adapter)],
    ["seconds", (seconds ?? 0).toFixed(1)],
  ]);
}
