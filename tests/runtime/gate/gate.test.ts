import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Metrics, Score } from "../../../runtime/adapter/adapter.ts";
import { DEFAULT_GATE, GATE_REASONS, gate, type Origin } from "../../../runtime/gate/gate.ts";

const score = (accuracy: number, samples = 20, loss = 1 - accuracy): Score => ({ samples, accuracy, loss });
const metrics = (heldOut: Score | null, rehearsal: Score | null): Metrics => ({ heldOut, rehearsal });

describe("the gate", () => {
  it.each([
    [
      "a gain that keeps the old",
      metrics(score(0.5), score(0.95)),
      metrics(score(0.9), score(0.95)),
      "local",
      true,
      "GAIN",
    ],
    ["no gain", metrics(score(0.8), score(0.95)), metrics(score(0.8), score(0.95)), "local", false, "NO_GAIN"],
    [
      "as many right with a lower loss",
      metrics(score(1, 20, 0.4), null),
      metrics(score(1, 20, 0.1), null),
      "local",
      true,
      "GAIN",
    ],
    [
      "a gain that forgets",
      metrics(score(0.5), score(0.95, 100)),
      metrics(score(0.9), score(0.8, 100)),
      "local",
      false,
      "FORGETS",
    ],
    [
      "one sample of a small pack",
      metrics(score(0.5), score(1, 10)),
      metrics(score(0.9), score(0.9, 10)),
      "local",
      true,
      "GAIN",
    ],
    [
      "too little to judge by",
      metrics(score(0.5, 2), score(0.95)),
      metrics(score(1, 2), score(0.95)),
      "local",
      false,
      "TOO_FEW_HELD_OUT",
    ],
    [
      "a peer's adapter before any local sample",
      metrics(null, score(0.95)),
      metrics(null, score(0.95)),
      "peer",
      true,
      "REHEARSAL_ONLY",
    ],
    ["a peer's adapter and nothing at all", metrics(null, null), metrics(null, null), "peer", false, "NO_EVIDENCE"],
    [
      "a peer's adapter that does not help here",
      metrics(score(0.9), score(0.95)),
      metrics(score(0.7), score(0.95)),
      "peer",
      false,
      "NO_GAIN",
    ],
  ] as const)("%s", (_, before, after, origin, accepted, reason) => {
    const decision = gate(before, after, origin);
    expect(decision).toMatchObject({ accepted, reason });
    expect(decision.explanation).toContain(GATE_REASONS[reason]);
  });

  it("never accepts what got worse here, or what forgets", () => {
    const anyScore = fc.record({
      samples: fc.integer({ min: 1, max: 200 }),
      accuracy: fc.double({ min: 0, max: 1, noNaN: true }),
      loss: fc.double({ min: 0, max: 5, noNaN: true }),
    });
    const anyMetrics = fc.record({ heldOut: fc.option(anyScore), rehearsal: fc.option(anyScore) });
    fc.assert(
      fc.property(anyMetrics, anyMetrics, fc.constantFrom<Origin>("local", "peer"), (before, after, origin) => {
        const { accepted } = gate(before, after, origin);
        if (!accepted) return;
        const judged = before.heldOut && after.heldOut && after.heldOut.samples >= DEFAULT_GATE.minHeldOut;
        if (judged) expect(after.heldOut!.accuracy).toBeGreaterThanOrEqual(before.heldOut!.accuracy);
        else expect(origin).toBe("peer");
        if (before.rehearsal && after.rehearsal) {
          const lost = before.rehearsal.accuracy - after.rehearsal.accuracy;
          expect(lost).toBeLessThanOrEqual(Math.max(DEFAULT_GATE.maxForgetting, 1 / after.rehearsal.samples) + 1e-6);
        }
      }),
    );
  });
});
