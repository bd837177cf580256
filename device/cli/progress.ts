import { Presets, SingleBar } from "cli-progress";
import type { JobProgress } from "../rounds/job.ts";
import type { Terminal } from "./terminal.ts";

const PHASES = { cache: "listening", train: "training" } as const satisfies Record<JobProgress["phase"], string>;

/** A progress bar on stderr; silent when that is no terminal. */
export function progressBar({ notes, env }: Terminal): { show(progress: JobProgress): void; stop(): void } {
  const bar = new SingleBar(
    {
      stream: notes as NodeJS.WriteStream,
      noTTYOutput: false,
      hideCursor: true,
      clearOnComplete: true,
      format: "{what} {bar} {value}/{total} {facts}",
      barsize: 30,
    },
    env.TERM === "dumb" ? Presets.legacy : Presets.shades_classic,
  );
  let phase: JobProgress["phase"] | undefined;
  return {
    show(progress) {
      if (notes.isTTY !== true) return;
      const shown = {
        what: PHASES[progress.phase],
        facts: [
          progress.loss === undefined ? "" : `loss ${progress.loss.toFixed(3)}`,
          progress.accuracy === undefined ? "" : `accuracy ${(progress.accuracy * 100).toFixed(1)} %`,
        ].join(" "),
      };
      if (phase !== progress.phase) bar.start(progress.total, progress.done, shown);
      else bar.update(progress.done, shown);
      phase = progress.phase;
    },
    stop: () => {
      if (phase !== undefined) bar.stop();
      phase = undefined;
    },
  };
}
