import { median } from "./tables.ts";

/** Something whose time is compared with that of others. */
export interface Contestant {
  name: string;
  run(): Promise<unknown>;
  close(): Promise<void>;
  /** What one run is divided by: steps of a loop. */
  parts: number;
}

/**
 * Runs all contestants turn by turn, so that whatever else the machine does meets all of them, and closes them.
 * @returns medians in milliseconds, by name
 */
export async function takeTurns(contestants: readonly Contestant[], rounds: number): Promise<Map<string, number>> {
  const times = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  for (const { run } of contestants) await run();
  for (let round = 0; round < rounds; round++) {
    for (const { name, run, parts } of contestants) {
      const startedMs = performance.now();
      await run();
      times.get(name)!.push((performance.now() - startedMs) / parts);
    }
  }
  for (const contestant of contestants) await contestant.close();
  return new Map([...times].map(([name, found]) => [name, median(found)]));
}
