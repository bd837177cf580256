import { elementCount } from "../../../../runtime/onnx/tensor.ts";
import { seeded } from "../../../../runtime/random/random.ts";
import { operatorName } from "../../../../runtime/tflite/operator-names.ts";
import { OPTIONS, TENSOR_TYPES } from "../../../../runtime/tflite/schema.ts";
import { buildTflite, type OperatorParts, type TensorParts } from "../build.ts";

/** Samples that each case is tried with; TFLite is asked for one after another. */
export const SAMPLES = 3;

export type Type = "float32" | "int8" | "uint8" | "int16" | "int32" | "int64" | "float16" | "complex64";

export interface Side {
  shape: readonly number[];
  type?: Type;
  scale?: readonly number[];
  zeroPoint?: readonly number[];
  axis?: number;
  /** What a constant holds; numbers or codes as they stand, or "noise". */
  values?: readonly number[] | "noise";
  /** Float noise lies in ±1 unless it is told otherwise. */
  range?: readonly [least: number, greatest: number];
}

/** A network of one operator or a few: tensors by name, the first is the input, the last that an operator writes is the output. */
export interface Case {
  tensors: Readonly<Record<string, Side>>;
  operators: readonly Step[];
}

export type Step = readonly [
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options?: Readonly<Record<string, number>>,
];

/** The case as a TFLite file. */
export function fileOf(name: string, { tensors, operators }: Case): Uint8Array {
  const random = seeded(seedOf(name));
  const names = Object.keys(tensors);
  const buffers: Uint8Array[] = [new Uint8Array()];
  const parts = Object.entries(tensors).map(([tensor, side]): TensorParts => {
    const { shape, type = "float32", values, scale, zeroPoint, axis } = side;
    const quantization = scale && { scale, zeroPoint: zeroPoint ?? scale.map(() => 0), ...(axis && { axis }) };
    const code = TENSOR_TYPES.findIndex(([, known]) => known === type);
    const buffer = values ? buffers.push(bytesOf(side, random)) - 1 : 0;
    return { name: tensor, shape, type: code, buffer, ...quantization };
  });
  const kinds = [...new Set(operators.map(([operator]) => operator))];
  return buildTflite({
    tensors: parts,
    buffers,
    codes: kinds.map(codeOf).map((code) => ({ builtin: code, deprecated: Math.min(code, 127) })),
    operators: operators.map(([operator, inputs, outputs, options = {}]) => ({
      code: kinds.indexOf(operator),
      inputs: inputs.map((input) => (input === "" ? -1 : names.indexOf(input))),
      outputs: outputs.map((output) => names.indexOf(output)),
      ...optionsOf(operator, options),
    })),
    inputs: [0],
    outputs: [names.indexOf(operators.at(-1)![2][0]!)],
  });
}

/** What goes into it: numbers of all samples, or codes where the input is quantized. */
export function inputOf(name: string, { tensors }: Case): number[] {
  const side = Object.values(tensors)[0]!;
  return noise(side, elementCount(side.shape) * SAMPLES, seeded(seedOf(name) + 1));
}

const seedOf = (name: string): number =>
  [...name].reduce((seed, letter) => (seed * 31 + letter.charCodeAt(0)) % 9973, 7);

const CODES = new Map(Array.from({ length: 210 }, (_, code) => [operatorName(code), code]));

function codeOf(operator: string): number {
  const code = CODES.get(operator);
  if (code === undefined) throw new Error(`no operator ${operator}`);
  return code;
}

function optionsOf(operator: string, given: Readonly<Record<string, number>>): Pick<OperatorParts, "options"> {
  const [kind, fields] = OPTIONS[operator] ?? [];
  if (!kind || !fields) return {};
  const written = Object.entries(given).map(([option, value]) => {
    const field = fields[option]!;
    const isFloat = option === "beta" || option === "alpha";
    return [field.slot, field.width, isFloat ? new Int32Array(Float32Array.of(value).buffer)[0]! : value] as const;
  });
  const slots = (width: number) =>
    Object.fromEntries(written.flatMap(([slot, w, v]) => (w === width ? [[slot, v]] : [])));
  return { options: { kind, int32: slots(4), int8: slots(1) } };
}

const ARRAYS = {
  float32: Float32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  float16: Uint16Array,
} as const;

function bytesOf(side: Side, random: () => number): Uint8Array {
  const { type = "float32", values, shape } = side;
  const numbers = values === "noise" ? noise(side, elementCount(shape), random) : [...values!];
  if (type === "int64") return new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
  return new Uint8Array(ARRAYS[type as keyof typeof ARRAYS].from(numbers).buffer);
}

/** Biases stay as small as the products that they are added to. */
const LIMITS = {
  int8: [-127, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  int32: [-2000, 2000],
  int64: [-2000, 2000],
} as const;

function noise({ type = "float32", range = [-1, 1] }: Side, length: number, random: () => number): number[] {
  if (type in LIMITS) {
    const [least, greatest] = LIMITS[type as keyof typeof LIMITS];
    return Array.from({ length }, () => least + Math.floor(random() * (greatest - least + 1)));
  }
  return Array.from({ length }, () => Math.fround(range[0] + random() * (range[1] - range[0])));
}
