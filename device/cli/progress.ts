import { Presets, SingleBar } from "cli-progress";
import type { Progress } from "../../runtime/index.ts";
import type { Terminal } from "./terminal.ts";

/** What each phase is called for a person; a daemon of a later version may name one that has no row here. */
const PHASES = {
  cache: "listening",
  measure: "measuring",
  probe: "finding the learning rate",
  train: "training",
} satisfies Record<Progress["phase"], string>;

/** How far a piece of work has come. */
export interface Advance {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly loss?: number | undefined;
  /** On held-out samples, 0 to 1. */
  readonly accuracy?: number | undefined;
}

export interface ProgressBar {
  /** @param of what the work is part of, such as the method of a comparison */
  show(progress: Advance, of?: string): void;
  stop(): void;
}

/** A progress bar on stderr; silent when that is no terminal. */
export function progressBar({ notes, env }: Terminal): ProgressBar {
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
  let shown: string | undefined;
  return {
    show(progress, of) {
      if (notes.isTTY !== true) return;
      const phase = (PHASES as Readonly<Record<string, string>>)[progress.phase] ?? progress.phase;
      const what = of === undefined ? phase : `${of}: ${phase}`;
      const payload = { what, facts: factsOf(progress) };
      if (shown !== what) bar.start(progress.total, progress.done, payload);
      else bar.update(progress.done, payload);
      shown = what;
    },
    stop: () => {
      if (shown !== undefined) bar.stop();
      shown = undefined;
    },
  };
}

const factsOf = ({ loss, accuracy }: Advance): string =>
  [
    loss === undefined ? [] : `loss ${loss.toFixed(3)}`,
    accuracy === undefined ? [] : `accuracy ${(accuracy * 100).toFixed(1)} %`,
  ]
    .flat()
    .join(" ");
