import { describe, expect, it } from "vitest";
import { adapt, type Progress, plan } from "../../../runtime/index.ts";
import { toyPackage, toySamples } from "../toy.ts";

const quick = { model: toyPackage(), samples: toySamples(40, 1), epochs: 2, learningRate: 0.02 } as const;

describe("a plan", () => {
  it.each(["head+bias", "sparse", "adapter+bias", "adaptive"])("is what adapt does: %s", async (method) => {
    const phases = new Set<string>();
    const onProgress = ({ phase }: Progress) => void phases.add(phase);
    const planned = await plan({ ...quick, method, onProgress });
    expect([...phases].filter((phase) => phase !== "measure")).toEqual([]);
    const { report, adapter } = await adapt({ ...quick, method });
    const { trainableParameters } = planned.prediction;
    expect(planned).toMatchObject({ method: report.method, frontier: report.frontier, exceeded: [], nearest: null });
    expect(planned.explanation).toEqual(report.explanation);
    expect(trainableParameters).toBe(report.trainableParameters);
    expect(planned.targets.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(trainableParameters);
    expect(new Set(planned.targets.map(({ at }) => at))).toEqual(new Set(adapter.description.targets));
  });

  it("over its budget says by how much, and what would fit", async () => {
    const budget = { adapterBytes: 2600 };
    const { exceeded, nearest, prediction } = await plan({ ...quick, method: "full", budget });
    expect(exceeded).toMatchObject([
      { what: "adapter", allowed: budget.adapterBytes, predicted: prediction.adapterBytes },
    ]);
    expect(prediction.adapterBytes).toBeGreaterThan(budget.adapterBytes);
    expect(nearest!.prediction.adapterBytes).toBeLessThanOrEqual(budget.adapterBytes);
  });

  it("for new classes has the head in it", async () => {
    const samples = [...quick.samples, ...toySamples(8, 5).map((sample) => ({ ...sample, label: "e" }))];
    const { targets, method } = await plan({ ...quick, samples, classes: "extend", method: "scale" });
    expect(method).toBe("head+scale");
    expect(targets.find(({ at }) => at === "head")!.methods).toContain("head");
  });

  it("stops when told to", async () => {
    const stopped = plan({ ...quick, method: "sparse", signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(/CANCELLED/);
  });
});
