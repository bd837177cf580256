import { describe, expect, it } from "vitest";
import { confidence, multiLabelScore, reconstructionScore, score } from "../../../runtime/train/score.ts";

const rows = (...values: number[][]) => values.map((row) => Float32Array.from(row));

describe("a score", () => {
  it("counts what is right, and each class by itself where names are given", () => {
    const logits = rows([2, 0, 0], [0, 2, 0], [2, 0, 0], [0, 0, 2]);
    const found = score(logits, [0, 1, 1, 2], ["a", "b", "c"]);
    expect(found).toMatchObject({ samples: 4, accuracy: 0.75 });
    expect(found!.perClass).toEqual({
      a: { samples: 1, correct: 1 },
      b: { samples: 2, correct: 1 },
      c: { samples: 1, correct: 1 },
    });
    const sure = -Math.log(Math.E ** 2 / (Math.E ** 2 + 2));
    expect(found!.loss).toBeCloseTo((3 * sure + sure + 2) / 4, 6);
    expect(score(logits, [0, 1, 1, 2])).not.toHaveProperty("perClass");
  });

  it("leaves out samples of classes that the model has no output for yet", () => {
    const found = score(rows([2, 0], [0, 2], [0, 2]), [0, 2, 1], ["a", "b", "new"]);
    expect(found).toMatchObject({ samples: 2, accuracy: 1 });
    expect(Object.keys(found!.perClass!)).toEqual(["a", "b"]);
    expect(score(rows([2, 0]), [2])).toBeNull();
  });

  it("of several labels is the mean binary cross-entropy, finite however sure", () => {
    expect(multiLabelScore(rows([0, 0]), [[1, 0]])).toEqual({ samples: 1, loss: Math.log(2) });
    expect(multiLabelScore(rows([800, -800]), [[0, 0]])!.loss).toBe(400);
    expect(multiLabelScore([], [])).toBeNull();
  });

  it("of a reconstruction is the mean squared error", () => {
    expect(reconstructionScore(rows([1, 2], [3, 4]), [[1, 0], Float32Array.of(3, 4)])).toEqual({ samples: 2, loss: 1 });
  });
});

describe("confidence", () => {
  it("tells sure and varied from unsure, and both from all the same", () => {
    const varied = confidence(rows([50, 0], [0, 50]))!;
    expect(varied).toMatchObject({ samples: 2, topShare: 0.5 });
    expect(varied.entropy).toBeCloseTo(0, 6);
    expect(varied.marginalEntropy).toBeCloseTo(Math.log(2), 6);
    const unsure = confidence(rows([0, 0], [0, 0]))!;
    expect(unsure.entropy).toBeCloseTo(Math.log(2), 6);
    const same = confidence(rows([50, 0], [50, 0]))!;
    expect(same).toMatchObject({ topShare: 1 });
    expect(same.marginalEntropy).toBeCloseTo(0, 6);
    expect(confidence([])).toBeNull();
  });
});
