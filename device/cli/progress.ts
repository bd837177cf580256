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

/** Progress on stderr; silent when that is no terminal, and a line a phase where a line cannot be written over. */
export function progressBar(terminal: Terminal): ProgressBar {
  if (terminal.notes.isTTY !== true) return { show: () => undefined, stop: () => undefined };
  const draw = terminal.env.TERM === "dumb" ? lines(terminal) : bar(terminal);
  return {
    show: (progress, of) => {
      const phase = (PHASES as Readonly<Record<string, string>>)[progress.phase] ?? progress.phase;
      draw.show(of === undefined ? phase : `${of}: ${phase}`, progress);
    },
    stop: draw.stop,
  };
}

interface Drawing {
  show(what: string, progress: Advance): void;
  stop(): void;
}

function lines({ notes }: Terminal): Drawing {
  let shown: string | undefined;
  return {
    show(what, { total }) {
      if (shown !== what) notes.write(`${what} (${total})\n`);
      shown = what;
    },
    stop: () => undefined,
  };
}

function bar({ notes }: Terminal): Drawing {
  const { barCompleteChar, barIncompleteChar } = Presets.shades_classic;
  const drawn = new SingleBar({
    stream: notes as NodeJS.WriteStream,
    noTTYOutput: false,
    hideCursor: true,
    clearOnComplete: true,
    format(_, { progress, value, total }, { what, facts }) {
      const [before, after] = [`${what} `, ` ${value}/${total} ${facts}`];
      // What there is to read comes first; the bar takes what is left of the line.
      const columns = (notes as { columns?: number }).columns ?? 80;
      const width = Math.max(0, Math.min(30, columns - 1 - before.length - after.length));
      const full = Math.round(progress * width);
      return `${before}${barCompleteChar.repeat(full)}${barIncompleteChar.repeat(width - full)}${after}`;
    },
  });
  let shown: string | undefined;
  return {
    show(what, progress) {
      const payload = { what, facts: factsOf(progress) };
      if (shown !== what) drawn.start(progress.total, progress.done, payload);
      else drawn.update(progress.done, payload);
      shown = what;
    },
    stop() {
      if (shown !== undefined) drawn.stop();
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
