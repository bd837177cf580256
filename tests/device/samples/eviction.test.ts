import fc from "fast-check";
import { expect, test } from "vitest";
import { evictions } from "../../../device/samples/eviction.ts";
import { labelFolder } from "../../../device/samples/label-folder.ts";

const samples = fc.array(fc.record({ label: fc.constantFrom("a", "b", "c"), bytes: fc.integer({ min: 1, max: 50 }) }));

test("what stays fits, what goes is no more than needed, and each class loses its oldest first", () => {
  fc.assert(
    fc.property(samples, fc.integer({ min: 0, max: 300 }), (drawn, maxBytes) => {
      const all = drawn.map((sample, at) => ({ ...sample, sha256: `${at}`, path: `${at}` }));
      const gone = evictions(all, maxBytes);
      const kept = all.filter((sample) => !gone.includes(sample));
      const sum = (list: typeof all) => list.reduce((total, { bytes }) => total + bytes, 0);
      expect(sum(kept)).toBeLessThanOrEqual(maxBytes);
      if (gone.length > 0) expect(sum(kept) + gone.at(-1)!.bytes).toBeGreaterThan(maxBytes);
      for (const label of ["a", "b", "c"]) {
        const ofClass = all.filter((sample) => sample.label === label);
        const goneOfClass = gone.filter((sample) => sample.label === label);
        expect(ofClass.slice(0, goneOfClass.length)).toEqual(goneOfClass);
      }
    }),
  );
});

test("a store full of labels still keeps what may be labelled next", () => {
  const labelled = Array.from({ length: 100 }, (_, at) => ({ label: "abc"[at % 3]!, bytes: 10, at }));
  const waiting = Array.from({ length: 30 }, (_, at) => ({ label: null, bytes: 10, at: 100 + at }));
  const gone = evictions([...labelled, ...waiting], 1000);
  // A tenth of the store: the ten that came last.
  expect(gone.filter(({ label }) => label === null).map(({ at }) => at)).toEqual(
    Array.from({ length: 20 }, (_, at) => 100 + at),
  );
  expect(gone.filter(({ label }) => label !== null).map(({ at }) => at)).toHaveLength(10);
});

test("what is unlabelled alone may fill the store, and goes oldest first", () => {
  const waiting = Array.from({ length: 12 }, (_, at) => ({ label: null, bytes: 10, at }));
  expect(evictions(waiting, 100).map(({ at }) => at)).toEqual([0, 1]);
});

test("every label has a folder of its own that is one plain name", () => {
  const word = fc.oneof(fc.string(), fc.constantFrom("inbox", "done", "rejected", ".", "..", "a/b", "a b", "%69nbox"));
  fc.assert(
    fc.property(word, word, (a, b) => {
      fc.pre(a !== "" && b !== "");
      const folder = labelFolder(a);
      expect(folder).not.toMatch(/^\.|\/|\0|^(inbox|done|rejected)$/);
      expect(folder === labelFolder(b)).toBe(a === b);
      expect(decodeURIComponent(folder)).toBe(a);
    }),
  );
});
