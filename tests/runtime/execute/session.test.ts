import { expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { float32, int64 } from "../../../runtime/onnx/tensor.ts";

// Found by random networks: a loss in training that was not the one in evaluation.
it.each(["a derived graph", "a file"])("zeros that are padded before a MaxPool are zeros, in %s", async (form) => {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", ["N", 1, 2, 2]);
  const padded = b.add("Pad", [x, b.constant("pads", int64([0, 0, 1, 1, 0, 0, 1, 1]))]);
  const y = b.add("MaxPool", [padded], { kernel_shape: [2, 2], strides: [2, 2] });
  b.output(y);
  const model = asModel(b.build("padded"));
  const session = await openSession(form === "a file" ? encodeModel(model) : model);
  const results = await session.run({ x: float32([1, 1, 2, 2], [-4, -3, -2, -1]) });
  expect([...(results[y]!.data as Float32Array)]).toEqual([0, 0, 0, 0]);
  await session.close();
});
