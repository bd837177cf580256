import { expect, it } from "vitest";
import { adapt, evaluate, evaluateLoss, type ModelPackage, type Sample } from "../../../runtime/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { toyPackage, toySamples } from "../toy.ts";

const model = toyPackage();
const quick = { model, method: "head+bias", epochs: 3, learningRate: 0.01 };

/** Every other sample shows the class after its own as well. */
const several = (samples: readonly Sample[]): Sample[] =>
  samples.map((sample, at) => {
    const label = sample.label as string;
    return { ...sample, label: at % 2 === 0 ? [label] : [label, "abcda"["abcd".indexOf(label) + 1]!] };
  });

it("measures several labels a sample as training did", async () => {
  const [samples, heldOut] = [several(toySamples(40, 1)), several(toySamples(20, 2))];
  const { adapter, report } = await adapt({ ...quick, samples, heldOut });
  const before = await evaluateLoss("bce", { model, samples: heldOut });
  const after = await evaluateLoss("bce", { model, adapter, samples: heldOut });
  expect(before.loss).toBeCloseTo(report.before.losses!.heldOut!.loss, 6);
  expect(after).toMatchObject({ samples: 20, loss: expect.closeTo(report.after.losses!.heldOut!.loss, 6) });
  expect(after.loss).toBeLessThan(before.loss);
});

it("measures how sure a model is of what nobody has labelled", async () => {
  const unlabelled = (count: number, seed: number) =>
    toySamples(count, seed).map(({ features }) => ({ features, label: null }));
  const [samples, heldOut] = [unlabelled(40, 1), unlabelled(20, 2)];
  const { adapter, report } = await adapt({ ...quick, method: "bias+scale", samples, heldOut });
  const after = await evaluateLoss("entropy", { model, adapter, samples: heldOut });
  expect(after.confidence!.marginalEntropy).toBeCloseTo(report.after.confidence!.marginalEntropy, 6);
  expect(after.loss).toBeCloseTo(report.after.confidence!.entropy, 6);
});

it("measures a reconstruction against the input, sample by sample, whatever its shape", async () => {
  const samples = toySamples(3, 1);
  const halved = imageToImage(0.5);
  const all = samples.flatMap(({ features }) => Array.from(features.data as Float32Array, (x) => (x / 2 - x) ** 2));
  const { loss } = await evaluateLoss("reconstruction", { model: halved, samples });
  expect(loss).toBeCloseTo(all.reduce((sum, each) => sum + each, 0) / all.length, 6);
});

it("outputs that are not what the loss is about are refused", async () => {
  const samples = toySamples(3, 1);
  await expect(evaluateLoss("reconstruction", { model, samples })).rejects.toThrow(
    /^BAD_ARGUMENT: .*found 4 outputs; wanted 144/,
  );
  await expect(evaluateLoss("bce", { model: imageToImage(1), samples })).rejects.toThrow(
    /^BAD_ARGUMENT: .*144 outputs/,
  );
  await expect(evaluate({ model: imageToImage(1), samples })).rejects.toThrow(/^BAD_CARD: .*144 outputs.*--loss/);
  await expect(evaluateLoss("bce", { model, samples: [] })).rejects.toThrow(/^TOO_FEW_SAMPLES/);
});

/** Answers with its input, times a factor. */
function imageToImage(factor: number): ModelPackage {
  const b = new GraphBuilder();
  const input = b.input("features", "float32", ["N", 2, 9, 8]);
  b.output(b.add("Mul", [input, b.constant("factor", float32([], [factor]))]), {
    type: "float32",
    shape: ["N", 2, 9, 8],
  });
  const made = asModel(b.build("halves"));
  return { ...model, model: made, bytes: encodeModel(made) };
}
