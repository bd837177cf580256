import { expect, it } from "vitest";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { caseGraph, runCase } from "./case.ts";

/** Quantized activations tie all the time; whoever shared the gradient among them would differ from PyTorch on every int8 network. */
it.each([
  [
    "MaxPool",
    { kernel_shape: [2, 2], strides: [2, 2] },
    [1, 1, 2, 4],
    [3, 3, 1, 2, 3, 0, 2, 2],
    [1, 0, 0, 2, 0, 0, 0, 0],
  ],
  ["MaxPool", { kernel_shape: [3], pads: [1, 1] }, [1, 1, 4], [5, 5, 5, 5], [1 + 2, 3, 4, 0]],
  ["MaxPool", { kernel_shape: [2], strides: [2] }, [2, 1, 2], [7, 7, 0, 7], [1, 0, 0, 2]],
  ["GlobalMaxPool", {}, [1, 2, 2, 2], [0, 4, 4, 4, 9, 9, 9, 9], [0, 1, 0, 0, 2, 0, 0, 0]],
] as const)(
  "of several maxima of a %s %o the first gets the gradient, as in PyTorch",
  async (op, attributes, dims, x, wanted) => {
    const graph = caseGraph({ name: "ties", op, inputs: [[...dims]], attributes });
    const outputs = graph.inputs.find((input) => input.name === "dy0")!.shape as number[];
    const count = outputs.reduce((product, size) => product * size, 1);
    const dy0 = float32(
      outputs,
      Array.from({ length: count }, (_, at) => at + 1),
    );
    const { dx0 } = await runCase(graph, { x0: float32(dims, x), dy0 });
    expect([...(dx0!.data as Float32Array)]).toEqual(wanted);
  },
);
