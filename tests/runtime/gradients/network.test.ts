import { expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { LOSSES } from "../../../runtime/losses/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";
import { referenceValue, relativeError } from "./case.ts";

const PARAMETERS = [
  "stem",
  "stem_bias",
  "depthwise",
  "depthwise_bias",
  "pointwise",
  "pointwise_bias",
  "head",
  "head_bias",
];

it("a depthwise residual network with cross-entropy has PyTorch's gradients, to 1e-4", async () => {
  const b = new GraphBuilder();
  for (const name of ["features", ...PARAMETERS]) b.input(name, "float32", referenceValue(`network/${name}`).dims);
  b.input("labels", "int64", [3]);
  const conv = (x: string, name: string, attributes: Record<string, number | number[]>) =>
    b.add("Relu", [b.add("Conv", [x, name, `${name}_bias`], attributes)]);
  const stem = conv("features", "stem", { strides: [2, 2], pads: [1, 1, 1, 1] });
  const pointwise = conv(conv(stem, "depthwise", { group: 8, pads: [1, 1, 1, 1] }), "pointwise", {});
  const pooled = b.add("Flatten", [b.add("GlobalAveragePool", [b.add("Add", [stem, pointwise])])]);
  const logits = b.add("Gemm", [pooled, "head", "head_bias"], { transB: 1 });
  const forward = b.build("network");
  const types = inferTypes(forward);
  const nodes = [...forward.nodes];

  const shares = b.constant("shares", float32([3], [1 / 3, 1 / 3, 1 / 3]));
  const loss = LOSSES["cross-entropy"].build(b, {
    logits,
    labels: "labels",
    shares,
    classes: 4,
    options: { labelSmoothing: 0.1 },
  });
  const gradients = backward(b, {
    nodes,
    type: (name) => types.get(name)!,
    seeds: new Map([[logits, loss.gradient]]),
    wanted: ["features", ...PARAMETERS],
  });
  for (const value of [logits, loss.loss, ...gradients.values()]) b.output(value);
  const session = await openSession(asModel(b.build("network")));
  const inputs = ["features", "labels", ...PARAMETERS].map((name) => [name, referenceValue(`network/${name}`)]);
  const results = await session.run(Object.fromEntries(inputs));
  expect(relativeError(results[logits]!, referenceValue("network/logits"))).toBeLessThan(1e-5);
  expect(relativeError(results[loss.loss]!, referenceValue("network/loss"))).toBeLessThan(1e-5);
  for (const [name, gradient] of gradients) {
    expect(relativeError(results[gradient]!, referenceValue(`network/d_${name}`)), name).toBeLessThan(1e-4);
  }
  await session.close();
});
