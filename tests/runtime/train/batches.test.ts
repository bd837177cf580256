import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../runtime/random/random.ts";
import { epochOrder } from "../../../runtime/train/batches.ts";
import { cosineRates } from "../../../runtime/train/schedule.ts";
import { splitByClass } from "../../../runtime/train/split.ts";

const range = (begin: number, length: number) => Array.from({ length }, (_, at) => begin + at);

describe("an epoch", () => {
  it("shows every local sample once, the promised rehearsal, and weighs each batch as one", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.nat(30),
        fc.constantFrom(0, 0.5, 1, 2),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(),
        (count, pack, mix, batch, seed) => {
          const { order, shares, steps } = epochOrder(
            { local: range(0, count), rehearsal: range(count, pack), mix, batch },
            seeded(seed),
          );
          const weighted = Array.from(order.data, Number).filter((_, at) => shares.data[at]! > 0);
          expect(weighted.filter((at) => at < count).sort((a, b) => a - b)).toEqual(range(0, count));
          expect(weighted.filter((at) => at >= count)).toHaveLength(pack === 0 ? 0 : Math.round(count * mix));
          for (let step = 0; step < steps; step++) {
            const sum = shares.data.slice(step * batch, (step + 1) * batch).reduce((total, share) => total + share, 0);
            expect(sum).toBeCloseTo(1, 5);
          }
        },
      ),
    );
  });
});

describe("holding out", () => {
  it("takes its share of each class, leaves each class something to train on, and loses nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(5), { minLength: 1, maxLength: 80 }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.nat(),
        (labels, share, seed) => {
          const { train, heldOut } = splitByClass(labels, share, seeded(seed));
          expect([...train, ...heldOut].sort((a, b) => a - b)).toEqual(range(0, labels.length));
          for (const label of new Set(labels)) expect(train.some((at) => labels[at] === label)).toBe(true);
        },
      ),
    );
    const { heldOut } = splitByClass(
      range(0, 50).map((at) => at % 5),
      0.2,
      seeded(1),
    );
    expect(heldOut).toHaveLength(10);
  });
});

it("the learning rate warms up, falls, and continues across epochs", () => {
  const whole = cosineRates(0.1, 0, 100, 100).data as Float32Array;
  const halves = [
    ...(cosineRates(0.1, 0, 50, 100).data as Float32Array),
    ...(cosineRates(0.1, 50, 50, 100).data as Float32Array),
  ];
  expect(halves).toEqual([...whole]);
  expect(Math.max(...whole)).toBeCloseTo(0.1, 6);
  expect(whole[0]).toBeLessThan(0.03);
  expect(whole[99]).toBeLessThan(0.001);
});
