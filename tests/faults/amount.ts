/** `LICHEN_FAULTS=all` tries everything; else a part of it, in which no region is left out. */
export const isFull = process.env.LICHEN_FAULTS === "all";

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
