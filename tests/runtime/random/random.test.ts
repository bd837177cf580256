import fc from "fast-check";
import { expect, it } from "vitest";
import { seeded, shuffled } from "../../../runtime/random/random.ts";

const draws = (random: () => number, count: number) => Array.from({ length: count }, random);

it("goes on after being restored as if it had never stopped, whatever it was restored into", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(50), (seed, otherSeed, before) => {
      const [whole, interrupted, resumed] = [seeded(seed), seeded(seed), seeded(otherSeed)];
      draws(whole, before);
      draws(interrupted, before);
      resumed.restore(interrupted.state());
      expect(draws(resumed, 20)).toEqual(draws(whole, 20));
    }),
  );
});

it("shuffles fairly: every item is at every place about equally often", () => {
  const random = seeded(7);
  const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  for (let run = 0; run < 4000; run++)
    for (const [at, item] of shuffled([0, 1, 2, 3], random).entries()) counts[item]![at]! += 1;
  for (const count of counts.flat()) expect(Math.abs(count - 1000)).toBeLessThan(120);
});
