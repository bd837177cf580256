/** The integers that a quantized number may be. */
export const codeLimits = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
} as const;

export type CodeType = keyof typeof codeLimits;

/** What QuantizeLinear makes of a number, to the bit: division in float32, ties to even. @see ONNX QuantizeLinear-21 */
export function quantized(value: number, scale: number, zeroPoint: number, type: CodeType): number {
  const [low, high] = codeLimits[type];
  return Math.min(high, Math.max(low, roundToEven(Math.fround(value / scale)) + zeroPoint));
}

export function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
