import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../runtime/random/random.ts";
import { type BatchOptions, epochChunks, epochOrder, stepsPerEpoch, viewRows } from "../../../runtime/train/batches.ts";
import { learningRates } from "../../../runtime/train/schedule.ts";
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

describe("holding out recordings", () => {
  it("keeps what is of one recording together, and leaves one to train on", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(sizes, { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0.05, max: 0.9, noNaN: true }),
        fc.nat(),
        (classes, share, seed) => {
          const parts = classes.flatMap((groups, label) =>
            groups.flatMap((size, group) =>
              Array.from({ length: size }, () => ({ label, recording: `${label}-${group}` })),
            ),
          );
          const recordings = parts.map(({ recording }) => recording);
          const labels = parts.map(({ label }) => label);
          const { train, heldOut } = splitByClass(labels, share, seeded(seed), recordings);
          expect([...train, ...heldOut].sort((a, b) => a - b)).toEqual(range(0, parts.length));
          const of = (indices: number[]) => new Set(indices.map((at) => recordings[at]));
          expect([...of(train)].filter((recording) => of(heldOut).has(recording))).toEqual([]);
          for (const [label, groups] of classes.entries()) {
            expect(train.some((at) => labels[at] === label)).toBe(true);
            expect(heldOut.some((at) => labels[at] === label)).toBe(groups.length > 1);
          }
        },
      ),
    );
  });

  it("takes about the share, and the same samples as ever where each is a recording", () => {
    const labels = range(0, 200).map((at) => at % 2);
    const { heldOut } = splitByClass(
      labels,
      0.25,
      seeded(1),
      labels.map((label, at) => `${label}-${Math.floor(at / 10)}`),
    );
    expect(heldOut).toHaveLength(50);
    const alone = splitByClass(
      labels,
      0.25,
      seeded(1),
      labels.map((_, at) => `${at}`),
    );
    expect(alone).toEqual(splitByClass(labels, 0.25, seeded(1)));
  });
});

const shownRows = ({ order, shares }: ReturnType<typeof epochOrder>): number[] =>
  Array.from(order.data, Number).filter((_, at) => shares.data[at]! > 0);

describe("a balanced epoch", () => {
  const labels = fc.array(fc.nat(4), { minLength: 1, maxLength: 60 });

  it("shows every class as often as the largest, but no sample more than four times, and forgets none", () => {
    fc.assert(
      fc.property(labels, fc.integer({ min: 1, max: 20 }), fc.nat(), (balance, batch, seed) => {
        const local = range(100, balance.length);
        const options: BatchOptions = { local, rehearsal: [], mix: 0.5, batch, balance };
        const epoch = epochOrder(options, seeded(seed));
        expect(epoch.steps).toBe(stepsPerEpoch(options));
        const shown = shownRows(epoch).map((row) => row - 100);
        const largest = Math.max(...balance.map((label) => balance.filter((other) => other === label).length));
        for (const label of new Set(balance)) {
          const members = balance.filter((other) => other === label).length;
          expect(shown.filter((at) => balance[at] === label)).toHaveLength(Math.min(largest, 4 * members));
        }
        for (const at of local.keys()) {
          const times = shown.filter((other) => other === at).length;
          expect(times).toBeGreaterThanOrEqual(1);
          expect(times).toBeLessThanOrEqual(4);
        }
      }),
    );
  });

  it("mixes the rehearsal pack in proportion to what is shown", () => {
    const balance = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    const options = { local: range(0, 10), rehearsal: range(10, 6), mix: 0.5, batch: 4, balance };
    expect(shownRows(epochOrder(options, seeded(1))).filter((row) => row >= 10)).toHaveLength(8);
  });
});

describe("views", () => {
  it("each epoch shows one view of each sample, and in time all of them equally often", () => {
    const options = { local: range(0, 10), rehearsal: range(30, 3), mix: 0, batch: 4, views: viewRows(10, 3) };
    const random = seeded(2);
    const counts = new Map<number, number>();
    for (let epoch = 0; epoch < 300; epoch++) {
      const shown = shownRows(epochOrder(options, random));
      expect(shown.map((row) => Math.floor(row / 3)).sort((a, b) => a - b)).toEqual(range(0, 10));
      for (const row of shown) counts.set(row, (counts.get(row) ?? 0) + 1);
    }
    expect(counts.size).toBe(30);
    for (const count of counts.values()) expect(Math.abs(count - 100)).toBeLessThan(35);
  });
});

describe("an epoch in chunks", () => {
  it("is the epoch in one piece, batch by batch, and no chunk needs more rows than allowed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(20),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(50),
        fc.boolean(),
        fc.nat(),
        (count, pack, batch, more, balance, seed) => {
          const views = viewRows(count, 2);
          const options: BatchOptions = {
            local: range(0, count),
            rehearsal: range(2 * count, pack),
            mix: 1,
            batch,
            views,
            balance: balance ? range(0, count).map((at) => (at % 5 === 0 ? 1 : 0)) : undefined,
          };
          const whole = epochOrder(options, seeded(seed));
          const [rows, most] = [2 * count + pack, batch + more];
          const chunks = epochChunks(options, seeded(seed), { rows, most });
          if (rows <= most) expect(chunks).toEqual([{ ...whole, rows: null }]);
          expect(chunks.reduce((sum, { steps }) => sum + steps, 0)).toBe(whole.steps);
          expect(chunks.flatMap(({ shares }) => [...shares.data])).toEqual([...whole.shares.data]);
          const named = chunks.flatMap(({ rows: loaded, ...chunk }) => {
            expect((loaded ?? []).length).toBeLessThanOrEqual(most);
            return shownRows(chunk).map((at) => loaded?.[at] ?? at);
          });
          expect(named).toEqual(shownRows(whole));
          for (const { order, rows: loaded } of chunks) {
            for (const at of order.data) expect(Number(at)).toBeLessThan(loaded?.length ?? rows);
          }
        },
      ),
    );
  });

  it("refuses a memory that does not hold a batch", () => {
    const options = { local: range(0, 20), rehearsal: [], mix: 0, batch: 8 };
    expect(() => epochChunks(options, seeded(1), { rows: 20, most: 7 })).toThrow(/BAD_ARGUMENT/);
  });
});

describe.each(["cosine", "constant"] as const)("the %s schedule", (schedule) => {
  const rates = (first: number, steps: number) =>
    learningRates(schedule, { peak: 0.1, first, steps, total: 100 }).data as Float32Array;

  it("warms up to its peak, and continues across epochs", () => {
    const whole = rates(0, 100);
    expect([...rates(0, 50), ...rates(50, 50)]).toEqual([...whole]);
    expect(Math.max(...whole)).toBeCloseTo(0.1, 6);
    expect([...whole.slice(0, 5)].map((rate) => Math.round(rate * 100))).toEqual([2, 4, 6, 8, 10]);
  });

  it("ends as its name says", () => {
    const last = rates(0, 100)[99]!;
    if (schedule === "cosine") expect(last).toBeLessThan(0.001);
    else expect(last).toBeCloseTo(0.1, 6);
  });
});
