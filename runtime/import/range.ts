import type { Graph } from "../onnx/graph.ts";

/** Of real numbers. */
export interface Range {
  low: number;
  high: number;
}

/** What a quantized input can be, from the lowest of its codes to the highest; null where real numbers are computed with. */
export function inputRange({ inputs, nodes, initializers }: Graph): Range | null {
  const readers = nodes.filter((node) => node.inputs.includes(inputs[0]!.name));
  if (readers.length !== 1 || readers[0]!.opType !== "QuantizeLinear") return null;
  const [scale, zeroPoint] = readers[0]!.inputs.slice(1).map((name) => initializers.get(name));
  const codes = CODES[zeroPoint?.type ?? "uint8"];
  if (scale?.data.length !== 1 || !codes) return null;
  const [step, zero] = [Number(scale.data[0]), Number(zeroPoint?.data[0] ?? 0)];
  return { low: (codes.low - zero) * step, high: (codes.high - zero) * step };
}

const CODES: Readonly<Record<string, Range>> = {
  uint8: { low: 0, high: 255 },
  int8: { low: -128, high: 127 },
  int16: { low: -32_768, high: 32_767 },
  uint16: { low: 0, high: 65_535 },
};
