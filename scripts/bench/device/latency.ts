import { setTimeout as pause } from "node:timers/promises";
import type { Recording } from "../../demo/board.ts";
import type { Board } from "./board.ts";

/** Inferences one by one at a steady pace until `isOver`; how long each took as its client sees it, and how many failed. */
async function paced(board: Board, files: readonly Recording[], everyMs: number, isOver: () => boolean) {
  const milliseconds: number[] = [];
  let failed = 0;
  for (let n = 0; !isOver(); n++) {
    const startedMs = performance.now();
    await board.infer(files[n % files.length]!.file).then(
      () => milliseconds.push(performance.now() - startedMs),
      () => failed++,
    );
    await pause(Math.max(0, everyMs - (performance.now() - startedMs)));
  }
  return { milliseconds, failed };
}

/** The nearest rank. @param share 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export interface BesideTraining {
  idle: number[];
  training: number[];
  failed: number;
}

/** Turn by turn: as long without a round as one takes, then with one. */
export async function besideTraining(board: Board, files: readonly Recording[], turns: number, idleMs: number) {
  const found: BesideTraining = { idle: [], training: [], failed: 0 };
  for (let turn = 0; turn < turns; turn++) {
    const endMs = performance.now() + idleMs;
    const idle = await paced(board, files, PACE_MS, () => performance.now() >= endMs);
    let isOver = false;
    const round = board.adapt().finally(() => {
      isOver = true;
    });
    const training = await paced(board, files, PACE_MS, () => isOver);
    await round;
    found.idle.push(...idle.milliseconds);
    found.training.push(...training.milliseconds);
    found.failed += idle.failed + training.failed;
  }
  return found;
}

const PACE_MS = 25;

/** Adapter and base in turns, `swaps` times, while inferences never cease. */
export async function underSwaps(board: Board, files: readonly Recording[], swaps: number) {
  const adapter = await board.serving();
  if (adapter === null) throw new Error("no adapter serves: nothing to swap");
  let isOver = false;
  const inferring = paced(board, files, 0, () => isOver);
  for (let swap = 0; swap < swaps; swap++) await board.use(swap % 2 === 0 ? "base" : adapter);
  isOver = true;
  return inferring;
}
