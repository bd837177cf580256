import { GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { ValueName } from "../../../runtime/onnx/graph.ts";
import { elementCount, float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";

/** A value of the network: as everybody behind it reads it. */
export interface Value {
  name: ValueName;
  /** Without the batch. */
  dims: readonly number[];
  /** Of its quantizer; none in a float network. */
  scale: number | null;
  zeroPoint: number;
}

export interface Writer {
  b: GraphBuilder;
  x: Value;
  /** Everything of before, newest last. */
  earlier: readonly Value[];
  how: number;
  constant(dims: readonly number[], reach: number, around?: number): ValueName;
  /** What an operator answers, quantized where the network is. `from` hands its own scale on. */
  value(name: ValueName, dims: readonly number[], range?: Range, from?: Value): Value;
  weight(dims: readonly number[], axis: number, reach: number): { weight: ValueName; scales: readonly number[] | null };
  bias(x: Value, scales: readonly number[] | null, count: number): ValueName;
}

/** Where the quantized range lies: all real networks clip a little, and so do these. */
export type Range = "both sides" | "positive";

/** Writes a network in float or int8, from one seed. */
export function writerOf({
  seed,
  quantized,
}: {
  seed: number;
  quantized: boolean;
}): Omit<Writer, "x" | "earlier" | "how"> {
  const b = new GraphBuilder();
  const next = random(seed);
  const dequantized = (value: ValueName, type: "int8" | "int32", scales: readonly number[], axis: number) => {
    const zeros = { int8: new Int8Array(scales.length), int32: new Int32Array(scales.length) }[type];
    const operands = [
      b.constant("scale", float32([scales.length], scales)),
      b.constant("zero", tensor(type, [scales.length], zeros)),
    ];
    return b.add("DequantizeLinear", [value, ...operands], { axis });
  };
  return {
    b,
    constant: (dims, reach, around = 0) =>
      b.constant(
        "constant",
        float32(
          dims,
          noise(dims, next, reach).data.map((value) => value + around),
        ),
      ),
    value(name, dims, range = "both sides", from) {
      if (!quantized) return { name, dims, scale: null, zeroPoint: 0 };
      const { scale, zeroPoint } =
        from ?? (range === "positive" ? { scale: 2 / 255, zeroPoint: 0 } : { scale: 4 / 255, zeroPoint: 120 });
      const operands = [
        b.constant("scale", float32([], [scale!])),
        b.constant("zero", tensor("uint8", [], Uint8Array.of(zeroPoint))),
      ];
      const real = b.add("DequantizeLinear", [b.add("QuantizeLinear", [name, ...operands]), ...operands]);
      return { name: real, dims, scale: scale!, zeroPoint };
    },
    weight(dims, axis, reach) {
      // Quantizers leave a layer out now and then.
      const bare = !quantized || next() < 0.1;
      if (bare) return { weight: b.constant("weight", noise(dims, next, reach)), scales: null };
      const scales = Array.from({ length: dims[axis]! }, () => Math.fround(((0.5 + next()) * reach) / 64));
      const codes = Int8Array.from({ length: elementCount(dims) }, () => Math.round((next() * 2 - 1) * 63));
      return { weight: dequantized(b.constant("weight", tensor("int8", dims, codes)), "int8", scales, axis), scales };
    },
    bias(x, scales, count) {
      if (!scales) return b.constant("bias", noise([count], next, 0.3));
      const steps = scales.map((scale) => Math.fround(Math.fround(x.scale!) * scale));
      const codes = Int32Array.from(steps, (step) => Math.round(((next() - 0.5) * 0.6) / step));
      return dequantized(b.constant("bias", tensor("int32", [count], codes)), "int32", steps, 0);
    },
  };
}
