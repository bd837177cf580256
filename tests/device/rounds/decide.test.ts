import fc from "fast-check";
import { expect, test } from "vitest";
import { decide, type RoundFacts } from "../../../device/rounds/decide.ts";

const policy = { minNewSamples: 10, settleMs: 1000, retryMs: 60_000 };
const ready: RoundFacts = {
  stopped: false,
  running: false,
  newSamples: 10,
  owed: false,
  sinceSampleMs: 5000,
  failuresInARow: 0,
  sinceFailureMs: Number.POSITIVE_INFINITY,
};
const after = (changes: Partial<RoundFacts>) => decide({ ...ready, ...changes }, policy);

test("enough new samples and a pause start a round", () => {
  expect(after({})).toEqual({ tag: "start" });
});

test.each([
  [{ newSamples: 9 }, "TOO_FEW_NEW_SAMPLES", null],
  [{ running: true }, "ROUND_RUNNING", null],
  [{ stopped: true }, "STOPPED", null],
  [{ sinceSampleMs: 400 }, "SAMPLES_ARRIVING", 600],
  [{ failuresInARow: 1, sinceFailureMs: 10_000 }, "COOLING_DOWN", 50_000],
  [{ failuresInARow: 3, sinceFailureMs: 10_000 }, "COOLING_DOWN", 230_000],
] as const)("%o waits for %s", (changes, reason, againMs) => {
  expect(after(changes)).toEqual({ tag: "wait", reason, againMs });
});

test("a round cut off by a stop is made up for without new samples", () => {
  expect(after({ newSamples: 0, owed: true })).toEqual({ tag: "start" });
});

test("a stream that never pauses starts a round in the end", () => {
  expect(after({ newSamples: 80, sinceSampleMs: 0 })).toEqual({ tag: "start" });
});

test("a wait that names a time is over at that time, unless something else has come up", () => {
  const facts = fc.record({
    stopped: fc.boolean(),
    running: fc.boolean(),
    newSamples: fc.nat(100),
    owed: fc.boolean(),
    sinceSampleMs: fc.nat(5000),
    failuresInARow: fc.nat(20),
    sinceFailureMs: fc.nat(100_000),
  });
  fc.assert(
    fc.property(facts, (before) => {
      const first = decide(before, policy);
      if (first.tag === "start") {
        expect(before.stopped || before.running).toBe(false);
        expect(before.owed || before.newSamples >= 10).toBe(true);
        return;
      }
      if (first.againMs === null) return;
      expect(first.againMs).toBeGreaterThan(0);
      const { sinceSampleMs, sinceFailureMs } = before;
      const later = decide(
        { ...before, sinceSampleMs: sinceSampleMs + first.againMs, sinceFailureMs: sinceFailureMs + first.againMs },
        policy,
      );
      expect(later).not.toMatchObject({ reason: first.reason });
    }),
  );
});
