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

type PerClass = NonNullable<Score["perClass"]>;

/** A score with each class by itself: [samples, correct]. */
function byClass(counts: Record<string, [samples: number, correct: number]>): Score {
  const perClass: PerClass = {};
  for (const [name, [samples, correct]] of Object.entries(counts)) perClass[name] = { samples, correct };
  const sum = (at: 0 | 1) => Object.values(counts).reduce((total, count) => total + count[at], 0);
  return { ...score(sum(1) / sum(0), sum(0)), perClass };
}

describe("the gate, with new classes", () => {
  const before = byClass({ a: [20, 18], b: [20, 19] });
  it.each([
    ["learned and nothing lost", before, byClass({ a: [20, 18], b: [20, 19], new: [10, 9] }), "NEW_CLASSES"],
    ["learned at the cost of old ones", before, byClass({ a: [20, 14], b: [20, 18], new: [10, 10] }), "FORGETS"],
    ["hardly better than a guess", before, byClass({ a: [20, 18], b: [20, 19], new: [10, 5] }), "NEW_CLASSES_MISSED"],
    ["too few samples of them", before, byClass({ a: [20, 18], b: [20, 19], new: [4, 4] }), "TOO_FEW_HELD_OUT"],
    ["nothing but new ones here", null, byClass({ new: [12, 11], newer: [9, 8] }), "NEW_CLASSES"],
    ["no new ones", before, byClass({ a: [20, 19], b: [20, 19] }), "GAIN"],
    ["classes of which «before» says nothing", score(0.9), byClass({ a: [20, 19], b: [20, 19] }), "GAIN"],
    [
      "a thousand samples, hardly better",
      null,
      byClass({ new: [1000, 510], newer: [1000, 500] }),
      "NEW_CLASSES_MISSED",
    ],
    ["thousands of samples, surely better", null, byClass({ new: [9000, 4900], newer: [9000, 4800] }), "NEW_CLASSES"],
  ] as const)("%s", (_, was, is, reason) => {
    const rehearsal = score(0.95, 100);
    const decision = gate(metrics(was, rehearsal), metrics(is, rehearsal), "local");
    expect(decision).toMatchObject({ reason, accepted: reason === "NEW_CLASSES" || reason === "GAIN" });
    if (reason !== "GAIN" && reason !== "TOO_FEW_HELD_OUT") expect(decision.explanation).toContain("new:");
  });

  it("nothing but new ones, and no pack that would show what became of the old ones", () => {
    const decision = gate(metrics(null, null), metrics(byClass({ new: [12, 12], newer: [9, 9] }), null), "local");
    expect(decision).toMatchObject({ accepted: false, reason: "NO_EVIDENCE" });
  });

  it("the rehearsal pack forbids them too", () => {
    const is = byClass({ a: [20, 18], b: [20, 19], new: [10, 10] });
    const decision = gate(metrics(before, score(0.95, 100)), metrics(is, score(0.9, 100)), "local");
    expect(decision).toMatchObject({ accepted: false, reason: "FORGETS" });
  });
});

describe("the gate, with other classes in the place of the model's own", () => {
  it.each([
    ["told apart", null, byClass({ x: [10, 9], y: [10, 8] }), "OTHER_CLASSES_LEARNT"],
    ["hardly better than a guess", null, byClass({ x: [10, 6], y: [10, 6] }), "OTHER_CLASSES_MISSED"],
    [
      "no better than the answer that is right most often",
      null,
      byClass({ x: [90, 90], y: [10, 1] }),
      "OTHER_CLASSES_MISSED",
    ],
    ["of one class alone, which proves nothing", null, byClass({ x: [20, 20] }), "NO_EVIDENCE"],
    ["too few samples", null, byClass({ x: [2, 2], y: [2, 2] }), "TOO_FEW_HELD_OUT"],
    [
      "against an adapter that knew them",
      byClass({ x: [10, 7], y: [10, 8] }),
      byClass({ x: [10, 9], y: [10, 8] }),
      "GAIN",
    ],
    ["no better than it", byClass({ x: [10, 9], y: [10, 8] }), byClass({ x: [10, 9], y: [10, 8] }), "NO_GAIN"],
    ["and one more", byClass({ x: [10, 9] }), byClass({ x: [10, 9], z: [10, 9] }), "NEW_CLASSES"],
  ] as const)("%s", (_, was, is, reason) => {
    const decision = gate(metrics(was, null), metrics(is, null), "local", DEFAULT_GATE, { replaced: true });
    expect(decision).toMatchObject({
      reason,
      accepted: ["OTHER_CLASSES_LEARNT", "GAIN", "NEW_CLASSES"].includes(reason),
    });
  });
});

describe("the gate, without labels", () => {
  const sure = (entropy: number, marginalEntropy: number, topShare = 0.2, samples = 50): Metrics["confidence"] => ({
    samples,
    entropy,
    marginalEntropy,
    topShare,
  });
  const unlabelled = (confidence: Metrics["confidence"], rehearsal: Score | null = score(0.95, 100)): Metrics => ({
    ...metrics(null, rehearsal),
    confidence,
  });
  const was = sure(1.2, 2.2);
  it.each([
    ["surer and as varied", unlabelled(was), unlabelled(sure(0.7, 2.1)), "UNSUPERVISED_GAIN"],
    ["surer because it says one thing", unlabelled(was), unlabelled(sure(0.1, 0.3, 0.95)), "COLLAPSED"],
    ["less sure, and more varied by more", unlabelled(was), unlabelled(sure(1.25, 2.4)), "UNSUPERVISED_GAIN"],
    ["surer, and less varied by as much", unlabelled(was), unlabelled(sure(1, 2)), "NO_GAIN"],
    ["no surer", unlabelled(was), unlabelled(sure(1.2, 2.2)), "NO_GAIN"],
    ["surer, but forgetful", unlabelled(was), unlabelled(sure(0.7, 2.1), score(0.85, 100)), "FORGETS"],
    ["surer, and no rehearsal pack", unlabelled(was, null), unlabelled(sure(0.7, 2.1), null), "NO_EVIDENCE"],
    ["two samples", unlabelled(was), unlabelled(sure(0.7, 2.1, 0.5, 2)), "TOO_FEW_HELD_OUT"],
    ["a prediction that is no number", unlabelled(was), unlabelled(sure(Number.NaN, Number.NaN)), "COLLAPSED"],
    [
      "labels know better",
      { ...metrics(score(0.5), null), confidence: was },
      { ...metrics(score(0.9), null), confidence: sure(1.5, 1) },
      "GAIN",
    ],
  ] as const)("%s", (_, before, after, reason) => {
    const accepted = reason === "UNSUPERVISED_GAIN" || reason === "GAIN";
    expect(gate(before, after, "local")).toMatchObject({ reason, accepted });
  });
});

describe("the gate, by loss alone", () => {
  const losses = (heldOut: number | null, rehearsal: number | null, samples = 20): Metrics => {
    const loss = (value: number | null) => (value === null ? null : { samples, loss: value });
    return { ...metrics(null, null), losses: { heldOut: loss(heldOut), rehearsal: loss(rehearsal) } };
  };
  it.each([
    ["lower", losses(0.5, 0.2), losses(0.3, 0.21), "local", "GAIN"],
    ["lower, without a pack", losses(0.5, null), losses(0.3, null), "local", "GAIN"],
    ["no lower", losses(0.5, 0.2), losses(0.5, 0.2), "local", "NO_GAIN"],
    ["lower here, but higher on the pack", losses(0.5, 0.2), losses(0.1, 0.3), "local", "FORGETS"],
    ["no number on the pack", losses(0.5, 0.2), losses(0.1, Number.NaN), "local", "FORGETS"],
    ["no number here", losses(0.5, 0.2), losses(Number.NaN, 0.2), "local", "NO_GAIN"],
    ["too few samples", losses(0.5, 0.2, 3), losses(0.1, 0.2, 3), "local", "TOO_FEW_HELD_OUT"],
    ["a peer's, before any sample", losses(null, 0.2), losses(null, 0.2), "peer", "REHEARSAL_ONLY"],
    ["a peer's, and nothing at all", losses(null, null), losses(null, null), "peer", "NO_EVIDENCE"],
  ] as const)("%s", (_, before, after, origin, reason) => {
    const accepted = reason === "GAIN" || reason === "REHEARSAL_ONLY";
    expect(gate(before, after, origin)).toMatchObject({ reason, accepted });
  });

  it("takes the policy's own allowance", () => {
    const policy = { ...DEFAULT_GATE, maxLossRise: 0.6 };
    expect(gate(losses(0.5, 0.2), losses(0.1, 0.3), "local", policy)).toMatchObject({ reason: "GAIN" });
  });
});
