import { Refusal } from "../normalize/refusal.ts";
import type { AttributeValue, GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { channelsFirst, channelsLast } from "../onnx/layout.ts";
import { ELEMENTS, elementCount, float32, int64, type Tensor, tensor } from "../onnx/tensor.ts";
import { realNumbers, storedNumbers } from "./constants.ts";
import type { TfliteModel, TfliteOperator, TfliteTensor } from "./model.ts";

export interface LowerOptions {
  /** What board it is for: int8 activations are what the kernels of arm64 want, uint8 those of x64. */
  target?: "x64" | "arm64";
  /** "float" leaves the activations' quantizers out and makes real numbers of the weights. */
  form?: "int8" | "float";
}

/** What an operator becomes: nodes, and a value for each of its outputs. */
export type Rule = (operator: TfliteOperator, lowering: Lowering) => void;

/**
 * A computed tensor in real numbers, float32[N, …sample]. TFLite counts the batch among its sizes or not: the tensor's shape is
 * [1, …sample] where the batch is its own, or else the sample alone, and N stands in front of what the file knows.
 */
export interface Value {
  name: ValueName;
  sample: readonly number[];
  own: boolean;
  /** Zeros still to be put around a picture: top, left, bottom, right. Only convolutions read such a value. */
  pads?: readonly number[];
}

/** Codes of an activation: real = scale · (code − zeroPoint). */
export interface Codes {
  type: "uint8" | "int8" | "int16";
  scale: number;
  zeroPoint: number;
}

const CODE_LIMITS = { uint8: [0, 255], int8: [-128, 127], int16: [-32768, 32767] } as const;

/** What rules work with: the file, and the graph as far as it has grown. */
export class Lowering {
  readonly b: GraphBuilder;
  readonly model: TfliteModel;
  readonly options: Required<LowerOptions>;
  readonly #values = new Map<number, Value>();
  /** Constants that operators made of constants. */
  readonly #folded = new Map<number, TfliteTensor>();
  /** Real and imaginary part. */
  readonly #complex = new Map<number, readonly [Value, Value]>();
  readonly #codes = new Map<ValueName, Codes>();

  constructor(b: GraphBuilder, model: TfliteModel, options: Required<LowerOptions>) {
    this.b = b;
    this.model = model;
    this.options = options;
  }

  tensor(index: number): TfliteTensor {
    const tensor = this.#folded.get(index) ?? this.model.tensors[index];
    if (tensor) return tensor;
    throw new Refusal("an operand that is left out", "convert the model so that all operands are there");
  }

  isConstant(index: number): boolean {
    return index >= 0 && this.tensor(index).data !== null;
  }

  value(index: number): Value {
    const value = this.#values.get(index);
    if (value) return value;
    throw new Refusal(
      `tensor ${this.tensor(index).name}, a constant or of ${this.tensor(index).type}`,
      "convert the model so that this operand is computed from the input, in real numbers",
    );
  }

  /** A constant in real numbers. */
  numbers(index: number): Tensor<"float32"> {
    return realNumbers(this.#constant(index));
  }

  stored(index: number): Tensor {
    return storedNumbers(this.#constant(index));
  }

  /** A constant's numbers as they stand: sizes, axes, indices. */
  integers(index: number): number[] {
    return Array.from<number | bigint, number>(this.stored(index).data, Number);
  }

  #constant(index: number): TfliteTensor {
    if (this.isConstant(index)) return this.tensor(index);
    throw new Refusal(
      `tensor ${this.tensor(index).name}, known only as the model runs`,
      "convert the model with fixed sizes and constant parameters",
    );
  }

  /** The name for what makes a tensor: of the names that a converter joined with semicolons the first. */
  name(index: number): string {
    return nameOf(this.tensor(index));
  }

  /** How a tensor's values are quantized; null where they are real numbers. */
  codes(index: number): Codes | null {
    const { type, quantization } = this.tensor(index);
    if (this.options.form === "float" || quantization?.scales.length !== 1) return null;
    if (type !== "uint8" && type !== "int8" && type !== "int16") return null;
    const [scale, zeroPoint] = [quantization.scales[0]!, quantization.zeroPoints[0]!];
    if (type === "int16") return { type, scale, zeroPoint };
    const wanted = this.options.target === "arm64" ? "int8" : "uint8";
    // Codes and zero points move by as much: the numbers that they stand for do not.
    return { type: wanted, scale, zeroPoint: zeroPoint + CODE_LIMITS[wanted][0] - CODE_LIMITS[type][0] };
  }

  /** Sets a tensor's value, quantized as the tensor is. */
  give(index: number, value: Value): void {
    const codes = this.codes(index);
    if (!codes || value.pads) return void this.#values.set(index, value);
    this.#values.set(index, { ...value, name: this.#quantized(value.name, codes, this.name(index)) });
  }

  #quantized(value: ValueName, codes: Codes, name: string): ValueName {
    const parameters = this.#parameters(name, codes);
    const quantized = this.b.add("QuantizeLinear", [value, ...parameters], {}, `${name}_quantized`);
    const real = this.b.add("DequantizeLinear", [quantized, ...parameters], {}, `${name}_real`);
    this.#codes.set(real, codes);
    return real;
  }

  /** The tensor is the value, to the last bit; its quantization, if any, is the one that the value has. */
  same(index: number, value: Value): void {
    const [wanted, there] = [this.codes(index), this.#codes.get(value.name)];
    const isSame = !wanted || JSON.stringify(wanted) === JSON.stringify(there);
    if (isSame) this.#values.set(index, value);
    else this.give(index, value);
  }

  fold(index: number, constant: TfliteTensor): void {
    this.#folded.set(index, { ...constant, name: this.tensor(index).name });
  }

  complex(index: number): readonly [Value, Value] | undefined {
    return this.#complex.get(index);
  }

  giveComplex(index: number, parts: readonly [Value, Value]): void {
    this.#complex.set(index, parts);
  }

  /** A constant among activations, quantized as they are. */
  operand(index: number): ValueName {
    const [name, codes] = [this.name(index), this.codes(index)];
    if (!codes) return this.b.constant(name, this.numbers(index));
    const stored = this.stored(index);
    const shift = codes.zeroPoint - this.tensor(index).quantization!.zeroPoints[0]!;
    const data = ELEMENTS[codes.type].from(
      Array.from<number | bigint, number>(stored.data, (code) => Number(code) + shift),
    );
    const quantized = this.b.constant(`${name}_quantized`, tensor(codes.type, stored.dims, data));
    return this.b.add("DequantizeLinear", [quantized, ...this.#parameters(name, codes)], {}, `${name}_real`);
  }

  #parameters(name: string, { type, scale, zeroPoint }: Codes): [ValueName, ValueName] {
    return [
      this.b.constant(`${name}_scale`, float32([], [scale])),
      this.b.constant(`${name}_zero_point`, tensor(type, [], ELEMENTS[type].of(zeroPoint))),
    ];
  }

  /** A node on one value that changes none of its sizes. */
  each(opType: string, value: Value, name: string, attributes: Record<string, AttributeValue> = {}): Value {
    return { ...value, name: this.b.add(opType, [value.name], attributes, name) };
  }

  /** A value in the shape of a tensor of the file, which has as many elements. */
  shaped(value: Value, shape: readonly number[], name: string): Value {
    const own = shape[0] === 1;
    const sample = own ? shape.slice(1) : shape;
    if (elementCount(sample) !== elementCount(value.sample)) {
      throw new Refusal(`[${value.sample}] of each sample as [${shape}]`, "convert the model with a batch of one");
    }
    return this.resized(value, sample, own, name);
  }

  /** N stays in front. What was quantized is so again: integer kernels want a quantizer right before them. */
  resized(value: Value, sample: readonly number[], own: boolean, name: string): Value {
    if (sample.join() === value.sample.join()) return { ...value, own };
    const dims = this.b.constant(`${name}_dims`, int64([0, ...sample]));
    const shaped = this.b.add("Reshape", [value.name, dims], {}, name);
    const codes = this.#codes.get(value.name);
    return { name: codes ? this.#quantized(shaped, codes, name) : shaped, sample, own };
  }

  /** With every axis that the file counts behind N, its batch of one included. */
  within(value: Value): Value {
    return value.own ? this.resized(value, [1, ...value.sample], false, `${value.name}_sample`) : value;
  }

  /** Of a picture [1, H, W, C]: float32[N, C, H, W]. */
  picture(index: number): Value {
    const value = this.value(index);
    const { shape } = this.tensor(index);
    if (shape.length !== 4 || shape[0] !== 1) {
      throw new Refusal(`a picture of [${shape}]`, "convert the model with pictures of [1, height, width, channels]");
    }
    const nhwc = value.own ? value : this.resized(value, value.sample.slice(1), true, `${this.name(index)}_picture`);
    const name = this.b.add("Transpose", [nhwc.name], { perm: channelsFirst(4) }, `${this.name(index)}_nchw`);
    const [height, width, channels] = nhwc.sample as [number, number, number];
    return { ...nhwc, name, sample: [channels, height, width] };
  }

  /** Back to [N, H, W, C], as the file's tensors are. */
  fromPicture(name: ValueName, [channels, height, width]: readonly [number, number, number]): Value {
    const nhwc = this.b.add("Transpose", [name], { perm: channelsLast(4) }, `${name}_nhwc`);
    return { name: nhwc, sample: [height, width, channels], own: true };
  }

  /** A rank-correct axis of the file's tensor, as one of [N, …sample]. */
  axis(value: Value, axis: number): number {
    const rank = value.sample.length + (value.own ? 1 : 0);
    return (axis < 0 ? axis + rank : axis) + (value.own ? 0 : 1);
  }

  /** Where the codes of a tensor end, in real numbers; without end where it is not quantized. */
  range(index: number): readonly [least: number, greatest: number, step: number] {
    const codes = this.codes(index);
    if (!codes) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0];
    const [low, high] = CODE_LIMITS[codes.type].map((code) => (code - codes.zeroPoint) * codes.scale);
    return [low!, high!, codes.scale];
  }
}

/** @see nameOf */
const CHARACTERS = /[^\w./-]+/g;

export const nameOf = ({ name }: TfliteTensor): string => name.split(";")[0]!.replaceAll(CHARACTERS, "_") || "value";
