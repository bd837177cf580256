import { expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";

it.each([
  ["uint8", tensor("uint8", [], Uint8Array.of(0)), [-0.3, 0, 0.2, 1, 25.3, 25.5, 40], [0, 0, 1, 1, 1, 0, 0]],
  ["uint8", tensor("uint8", [], Uint8Array.of(128)), [-20, -12.8, -12.6, 0, 12.6, 12.7], [0, 0, 1, 1, 1, 0]],
  ["int8", tensor("int8", [], Int8Array.of(0)), [-13, -12.8, -12.7, 0, 12.6, 12.7], [0, 0, 1, 1, 1, 0]],
  ["int16", tensor("int16", [], Int16Array.of(0)), [-3277, -3276.8, -3276.7, 3276.6, 3276.7], [0, 0, 1, 1, 0]],
  ["uint16", tensor("uint16", [], Uint16Array.of(0)), [-1, 0, 0.1, 6553.4, 6553.5], [0, 0, 1, 1, 0]],
] as const)(
  "a %s quantizer passes the gradient on only where it does not clip",
  async (_, zeroPoint, values, passed) => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", [values.length]);
    const scale = b.constant("scale", float32([], [0.1]));
    const zero = b.constant("zero_point", zeroPoint);
    const y = b.add("DequantizeLinear", [b.add("QuantizeLinear", [x, scale, zero]), scale, zero]);
    const forward = b.build("quantizer");
    const types = inferTypes(forward);
    const dy = b.input("dy", "float32", [values.length]);
    const gradients = backward(b, {
      nodes: [...forward.nodes],
      type: (name) => types.get(name)!,
      seeds: new Map([[y, dy]]),
      wanted: [x],
    });
    b.output(gradients.get(x)!);
    const session = await openSession(asModel(b.build("quantizer")));
    const incoming = values.map((_, at) => at + 1);
    const results = await session.run({ x: float32([values.length], values), dy: float32([values.length], incoming) });
    expect([...(results[gradients.get(x)!]!.data as Float32Array)]).toEqual(passed.map((pass, at) => pass * (at + 1)));
    await session.close();
  },
);
