import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { weightsOf } from "../../../runtime/methods/single-weights.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { float32, gatherRows, int64, type Tensor, zeroTensor } from "../../../runtime/onnx/tensor.ts";
import { makePlan, startParameters } from "../../../runtime/plan/plan.ts";
import { measureImportance } from "../../../runtime/train/importance.ts";
import { softmax } from "../../../runtime/train/score.ts";
import { noise, random } from "../toy.ts";

const [SAMPLES, CHANNELS, CLASSES] = [7, 5, 3];
const LABELS = [0, 1, 2, 2, 1, 0, 1];
const TERMS = [{ loss: "cross-entropy", weight: 1 }] as const;

/** A float network, in which a factor on a channel is a small change of weights and bias. */
function network() {
  const next = random(11);
  const b = new GraphBuilder();
  const x = b.input("features", "float32", ["N", 2, 6, 6]);
  const conv = b.add(
    "Conv",
    [x, b.constant("w", noise([CHANNELS, 2, 3, 3], next)), b.constant("b", noise([CHANNELS], next))],
    { strides: [2, 2] },
    "conv",
  );
  const pooled = b.add("Flatten", [b.add("GlobalAveragePool", [b.add("Relu", [conv])])]);
  const head = [b.constant("hw", noise([CLASSES, CHANNELS], next, 2)), b.constant("hb", noise([CLASSES], next))];
  b.output(b.add("Gemm", [pooled, ...head], { transB: 1 }, "head"), { type: "float32", shape: ["N", CLASSES] });
  return asModel(b.build("float"));
}

const base = prepareBase(network());
const features = noise([SAMPLES, 2, 6, 6], random(12), 2);
const set = {
  rows: {
    count: SAMPLES,
    rowBytes: 0,
    load: async (rows: readonly number[] = [...LABELS.keys()]) => ({ features: gatherRows(features, rows) }),
  },
  side: { labels: int64(LABELS) },
};
const measured = (rows: readonly number[], batch: number) =>
  measureImportance(makePlan(base, "full"), set, { terms: TERMS, rows, batch, threads: 1 });

/** Each sample's loss when one channel's answer is multiplied by a factor. */
async function lossesWith(layer: "conv" | "head", channel: number, factor: number): Promise<number[]> {
  const plan = makePlan(base, "full", { targets: [layer] });
  const target = plan.targets[0]!.layer;
  const change = ({ name, dims }: { name: string; dims: readonly number[] }): Tensor => {
    const value = zeroTensor(dims);
    const operand = name.endsWith("weight") ? target.weight! : target.bias!;
    const stored = base.graph.initializers.get(target.node.inputs[operand.at]!)!.data as Float32Array;
    const row = stored.length / target.outChannels;
    for (let at = channel * row; at < (channel + 1) * row; at++) value.data[at] = stored[at]! * (factor - 1);
    return value;
  };
  const deployed = await deriveDeploy(
    plan,
    Object.fromEntries(plan.parameters.map((each) => [each.name, change(each)])),
  );
  return lossesOf(deployed);
}

async function lossesOf(model: Model): Promise<number[]> {
  const session = await openSession(model);
  const { head: logits } = await session.run({ features });
  await session.close();
  const data = logits!.data as Float32Array;
  return LABELS.map((label, at) => -Math.log(softmax(data.subarray(at * CLASSES, (at + 1) * CLASSES))[label]!));
}

it.each(["conv", "head"] as const)(
  "is ½ of the mean squared slope of each sample's loss along a factor: %s",
  async (layer) => {
    const found = (await measured([...LABELS.keys()], 3)).get(layer)!;
    const step = 1e-2;
    for (const [channel, fisher] of found.entries()) {
      const [up, down] = [await lossesWith(layer, channel, 1 + step), await lossesWith(layer, channel, 1 - step)];
      const slopes = up.map((loss, at) => (loss - down[at]!) / (2 * step));
      const wanted = slopes.reduce((sum, slope) => sum + slope ** 2, 0) / (2 * SAMPLES);
      expect(Math.abs(fisher - wanted), `${layer} ${channel}`).toBeLessThan(1e-3 * wanted + 1e-6);
    }
  },
);

it("does not depend on how the samples are dealt into batches, and looks at none but those named", async () => {
  const [whole, dealt] = [await measured([4, 1, 6], 8), await measured([4, 1, 6], 2)];
  for (const [name, values] of whole)
    for (const [at, value] of values.entries()) expect(dealt.get(name)![at]).toBeCloseTo(value, 5);
  const others = await measured([0, 2, 3, 5], 8);
  const all = await measured([...LABELS.keys()], 8);
  for (const [name, values] of all)
    for (const [at, value] of values.entries())
      expect((3 * whole.get(name)![at]! + 4 * others.get(name)![at]!) / 7).toBeCloseTo(value, 5);
});

it("of a single weight is ½ of the mean squared slope of each sample's loss along it, however samples are dealt", async () => {
  const plan = makePlan(base, "sparse:unit=weight");
  const rows = [...LABELS.keys()];
  const found = await measureImportance(plan, set, { terms: TERMS, rows, batch: 4, threads: 1 });
  const whole = makePlan(base, "full");
  const start = startParameters(whole);
  for (const layer of ["conv", "head"]) {
    const name = `${layer}/weight`;
    for (const at of [0, 7, 14]) {
      const along = async (step: number) => {
        const value = float32(start[name]!.dims, [...(start[name]!.data as Float32Array)].with(at, step));
        return lossesOf(await deriveDeploy(whole, { ...start, [name]: value }));
      };
      // Small, so that hardly any ReLU turns on the way.
      const step = 2e-4;
      const [up, down] = [await along(step), await along(-step)];
      const wanted = up.reduce((sum, loss, n) => sum + ((loss - down[n]!) / (2 * step)) ** 2, 0) / (2 * SAMPLES);
      expect(Math.abs(found.get(weightsOf(layer))![at]! - wanted), `${name} ${at}`).toBeLessThan(5e-3 * wanted + 1e-6);
    }
  }
});
