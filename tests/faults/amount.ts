const { LICHEN_FAULTS = "" } = process.env;
const [, part, parts] = /^(\d+)\/(\d+)$/.exec(LICHEN_FAULTS) ?? [];

/** `LICHEN_FAULTS=all` tries everything, `3/8` the third of eight parts of it; else a few of it, in which no region is left out. */
export const isFull = LICHEN_FAULTS === "all" || part !== undefined;

/** What of a full run is this part's. */
export const partOf = <T>(list: readonly T[]): T[] =>
  list.filter((_, at) => part === undefined || at % Number(parts) === Number(part) - 1);

/** So many of a list, spread evenly over it. */
export const evenly = <T>(list: readonly T[], count: number): T[] =>
  count >= list.length
    ? [...list]
    : Array.from({ length: count }, (_, at) => list[Math.floor((at * list.length) / count)]!);

/** Does something with each, two at a time, as many as the smallest machine has cores. @returns what failed */
export async function failuresOf<T>(list: readonly T[], act: (one: T) => Promise<void>): Promise<string[]> {
  const waiting = [...list];
  const failures: string[] = [];
  let done = 0;
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const one = next;
      await act(one).catch((error) => {
        failures.push(`${JSON.stringify(one)}: ${error.stack ?? error}`);
        // Not only at the end, which a long run may not see.
        process.stdout.write(`failed: ${failures.at(-1)}\n`);
      });
      if (++done % 20 === 0) process.stdout.write(`${done} of ${list.length} done, ${failures.length} failed\n`);
    }
  };
  await Promise.all([work(), work()]);
  return failures;
}
