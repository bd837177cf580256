import fc from "fast-check";
import { type AttributeValue, asModel } from "../../../runtime/onnx/builder.ts";
import type { Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { elementCount, float32, int64 } from "../../../runtime/onnx/tensor.ts";
import { type Range, type Value, type Writer, writerOf } from "./network-writer.ts";

export const CLASSES = 3;

/** A network in a few numbers, so that one that fails can be made smaller and told. */
export interface Recipe {
  seed: number;
  quantized: boolean;
  kind: keyof typeof STEPS;
  /** What is done one after the other; each with a number that says how. */
  steps: readonly (readonly [step: string, how: number])[];
  head: keyof typeof HEADS;
  /** What the answer goes through at the very end. */
  end: "nothing" | "Softmax" | "quantizers" | "quantizers and Softmax";
}

const names = <T extends object>(table: T) => Object.keys(table) as (keyof T & string)[];

export const recipes = (quantized: boolean): fc.Arbitrary<Recipe> =>
  fc.constantFrom(...names(STEPS)).chain((kind) =>
    fc.record({
      seed: fc.nat(1000),
      quantized: fc.constant(quantized),
      kind: fc.constant(kind),
      steps: fc.array(fc.tuple(fc.constantFrom(...names<object>(STEPS[kind])), fc.nat(63)), {
        minLength: 1,
        maxLength: 6,
      }),
      head: fc.constantFrom(...names(HEADS)),
      end: quantized
        ? fc.constantFrom("nothing", "Softmax", "quantizers", "quantizers and Softmax")
        : fc.constantFrom("nothing", "Softmax"),
    }),
  );

export function network(recipe: Recipe): Model {
  const { b, ...writer } = writerOf(recipe);
  const shape = recipe.kind === "pictures" ? [2, 8, 6] : [6, 8];
  let x = writer.value(b.input("x", "float32", ["N", ...shape]), shape);
  const earlier = [x];
  for (const [step, how] of recipe.steps) {
    const made = STEPS[recipe.kind][step]!({ b, ...writer, x, earlier, how });
    if (!made) continue;
    x = made;
    earlier.push(x);
  }
  const pooled = pool({ b, ...writer, x, earlier, how: 0 });
  const logits = HEADS[recipe.head]({ b, ...writer, x: pooled, earlier, how: 0 });
  const quantized = recipe.end.startsWith("quantizers") ? writer.value(logits, [CLASSES]).name : logits;
  b.output(recipe.end.endsWith("Softmax") ? b.add("Softmax", [quantized], { axis: -1 }) : quantized, {
    type: "float32",
  });
  return asModel(b.build("random"));
}

type Step = (writer: Writer) => Value | null;

const PICTURE_STEPS: Readonly<Record<string, Step>> = {
  conv(w) {
    const [channels] = w.x.dims as [number];
    const [kernel, stride, wide] = [w.how & 1 ? 3 : 1, w.how & 2 ? 2 : 1, w.how & 4];
    const grouped = w.how & 8 ? channels : w.how & 16 && channels % 2 === 0 ? 2 : 1;
    const out = grouped === channels ? channels * (wide ? 2 : 1) : wide ? 6 : 4;
    return convolved(w, { out, kernel, stride, group: grouped, dilation: w.how & 32 && kernel === 3 ? 2 : 1 });
  },
  // Behind it the quantized range takes the place of the clip, as in exporters' models.
  convRelu: (w) => convolved(w, { out: 4, kernel: 3, stride: 1, group: 1, dilation: 1 }, "positive"),
  // No quantizer between the two: a layer that no integer kernel runs.
  convActivation(w) {
    const [op, attributes = {}] = SMOOTH[w.how % SMOOTH.length]!;
    const bare = { ...w, value: (name: ValueName, dims: readonly number[]) => ({ ...w.x, name, dims }) };
    const conv = convolved(bare, { out: 4, kernel: 3, stride: 1, group: 1, dilation: 1 });
    return w.value(w.b.add(op, [conv.name], attributes), conv.dims);
  },
  activation(w) {
    const [op, attributes = {}] = ACTIVATIONS[w.how % ACTIVATIONS.length]!;
    const slope = op === "PRelu" ? [w.constant([w.x.dims[0]!, ...w.x.dims.slice(1).map(() => 1)], 0.3)] : [];
    const bounds = op === "Clip" ? [0, 1.5].map((bound) => w.b.constant("bound", float32([], [bound]))) : [];
    return w.value(w.b.add(op, [w.x.name, ...slope, ...bounds], attributes), w.x.dims);
  },
  norm(w) {
    const channels = w.x.dims[0]!;
    const vectors = [w.constant([channels], 0.3, 1), w.constant([channels], 0.2)];
    const statistics = [w.constant([channels], 0.2), w.constant([channels], 0.3, 0.8)];
    const op = w.how & 1 ? "InstanceNormalization" : "BatchNormalization";
    return w.value(w.b.add(op, [w.x.name, ...vectors, ...(w.how & 1 ? [] : statistics)]), w.x.dims);
  },
  pool(w) {
    const [channels, height, width] = w.x.dims as [number, number, number];
    if (height < 2 || width < 2) return null;
    const op = w.how & 1 ? "MaxPool" : "AveragePool";
    const dims = [channels, Math.floor(height / 2), Math.floor(width / 2)];
    const pooled = w.b.add(op, [w.x.name], { kernel_shape: [2, 2], strides: [2, 2] });
    return w.value(pooled, dims, "both sides", op === "MaxPool" ? w.x : undefined);
  },
  combine(w) {
    const others = w.earlier.filter(({ dims }) => dims.join() === w.x.dims.join());
    const other = others[(w.how >> 2) % others.length]!;
    const op = (["Add", "Sub", "Mul", "Max"] as const)[w.how & 3]!;
    return w.value(w.b.add(op, [w.x.name, other.name]), w.x.dims);
  },
  concat(w) {
    const others = w.earlier.filter(({ dims }) => dims.slice(1).join() === w.x.dims.slice(1).join());
    const other = others[w.how % others.length]!;
    if (other.dims[0]! + w.x.dims[0]! > 16) return null;
    const dims = w.x.dims.with(0, w.x.dims[0]! + other.dims[0]!);
    return w.value(w.b.add("Concat", [w.x.name, other.name], { axis: 1 }), dims);
  },
  swapHalves(w) {
    if (w.x.dims[0]! % 2 === 1) return null;
    const half = w.x.dims[0]! / 2;
    const [first, second] = w.b.addMany("Split", [w.x.name, w.b.constant("halves", int64([half, half]))], 2, {
      axis: 1,
    });
    return w.value(w.b.add("Concat", [second!, first!], { axis: 1 }), w.x.dims, "both sides", w.x);
  },
  squeezeExcite(w) {
    const channels = w.x.dims[0]!;
    const mean = w.value(w.b.add("GlobalAveragePool", [w.x.name]), [channels, 1, 1]);
    const conv = convolved({ ...w, x: mean }, { out: channels, kernel: 1, stride: 1, group: 1, dilation: 1 });
    const gate = w.value(w.b.add(w.how & 1 ? "HardSigmoid" : "Sigmoid", [conv.name]), conv.dims, "positive");
    return w.value(w.b.add("Mul", [w.x.name, gate.name]), w.x.dims);
  },
  resize(w) {
    const [channels, height, width] = w.x.dims as [number, number, number];
    if (height * width > 24) return null;
    const scales = w.b.constant("scales", float32([4], [1, 1, 2, 2]));
    const attributes = { mode: w.how & 1 ? "nearest" : "linear", coordinate_transformation_mode: "asymmetric" };
    const made = w.b.add("Resize", [w.x.name, "", scales], {
      ...attributes,
      ...(w.how & 1 && { nearest_mode: "floor" }),
    });
    return w.value(made, [channels, height * 2, width * 2]);
  },
  pad(w) {
    const [channels, height, width] = w.x.dims as [number, number, number];
    if (height * width > 60) return null;
    const pads = w.b.constant("pads", int64([0, 0, 1, 0, 0, 0, 0, 1]));
    return w.value(w.b.add("Pad", [w.x.name, pads]), [channels, height + 1, width + 1]);
  },
  transposed(w) {
    const [channels, height, width] = w.x.dims as [number, number, number];
    if (height * width > 24) return null;
    const { weight } = w.weight([channels, 3, 2, 2], 1, 1 / Math.sqrt(channels));
    return w.value(w.b.add("ConvTranspose", [w.x.name, weight], { strides: [2, 2] }), [3, height * 2, width * 2]);
  },
  addConstant: (w) => w.value(w.b.add("Add", [w.x.name, w.constant([w.x.dims[0]!, 1, 1], 0.4)]), w.x.dims),
};

const SEQUENCE_STEPS: Readonly<Record<string, Step>> = {
  linear: (w) => linear(w, w.how & 1 ? 8 : 6),
  activation(w) {
    const [op, attributes = {}] = SMOOTH[w.how % SMOOTH.length]!;
    return w.value(w.b.add(op, [w.x.name], attributes), w.x.dims);
  },
  norm(w) {
    const width = w.x.dims[1]!;
    const operands = [w.x.name, w.constant([width], 0.3, 1), w.constant([width], 0.2)];
    return w.value(w.b.add("LayerNormalization", operands, { axis: -1 }), w.x.dims);
  },
  attention(w) {
    const [query, key, value] = [0, 1, 2].map(() => linear(w, 4)) as [Value, Value, Value];
    const columns = w.value(
      w.b.add("Transpose", [key.name], { perm: [0, 2, 1] }),
      [4, w.x.dims[0]!],
      "both sides",
      key,
    );
    const scores = w.value(w.b.add("MatMul", [query.name, columns.name]), [w.x.dims[0]!, w.x.dims[0]!]);
    const shares = w.value(w.b.add("Softmax", [scores.name], { axis: -1 }), scores.dims, "positive");
    return w.value(w.b.add("MatMul", [shares.name, value.name]), [w.x.dims[0]!, 4]);
  },
  combine: PICTURE_STEPS.combine!,
  first(w) {
    if (w.x.dims[0]! < 3) return null;
    const bounds = [[1], [w.x.dims[0]!], [1]].map((value) => w.b.constant("bound", int64(value)));
    return w.value(w.b.add("Slice", [w.x.name, ...bounds]), w.x.dims.with(0, w.x.dims[0]! - 1), "both sides", w.x);
  },
  addConstant: (w) => w.value(w.b.add("Add", [w.x.name, w.constant(w.x.dims, 0.4)]), w.x.dims),
  divide: (w) => w.value(w.b.add("Div", [w.x.name, w.constant([w.x.dims[1]!], 0.2, 1)]), w.x.dims),
};

const STEPS = { pictures: PICTURE_STEPS, sequences: SEQUENCE_STEPS };

const ACTIVATIONS: readonly [op: string, attributes?: Record<string, AttributeValue>][] = [
  ["Relu"],
  ["Clip"],
  ["LeakyRelu", { alpha: { float: 0.1 } }],
  ["PRelu"],
  ["HardSwish"],
  ["HardSigmoid"],
  ["Sigmoid"],
  ["Tanh"],
  ["Elu"],
];
const SMOOTH: typeof ACTIVATIONS = [["Gelu"], ["Tanh"], ["Sigmoid"], ["Erf"], ["Relu"]];

const HEADS = {
  gemm: (w: Writer): ValueName => gemm(w, 0),
  gemmTransposed: (w: Writer): ValueName => gemm(w, 1),
  matmul(w: Writer): ValueName {
    const { weight } = w.weight([w.x.dims[0]!, CLASSES], 1, 1.5);
    return w.b.add("Add", [w.b.add("MatMul", [w.x.name, weight]), w.constant([CLASSES], 0.3)]);
  },
};

function gemm({ b, x, weight, bias }: Writer, transB: 0 | 1): ValueName {
  const made = weight(transB ? [CLASSES, x.dims[0]!] : [x.dims[0]!, CLASSES], 1 - transB, 1.5);
  return b.add("Gemm", [x.name, made.weight, bias(x, made.scales, CLASSES)], { transB });
}

/** One number a channel. */
function pool(w: Writer): Value {
  if (w.x.dims.length === 2) {
    const mean = w.b.add("ReduceMean", [w.x.name, w.b.constant("axes", int64([1]))], { keepdims: 0 });
    return w.value(mean, [w.x.dims[1]!]);
  }
  const mean = w.value(w.b.add("GlobalAveragePool", [w.x.name]), [w.x.dims[0]!, 1, 1]);
  return w.value(w.b.add("Flatten", [mean.name]), [w.x.dims[0]!], "both sides", mean);
}

function convolved(
  w: Writer,
  { out, kernel, stride, group, dilation }: Record<"out" | "kernel" | "stride" | "group" | "dilation", number>,
  range: Range = "both sides",
): Value {
  const [channels, height, width] = w.x.dims as [number, number, number];
  const dims = [out, channels / group, kernel, kernel];
  const { weight, scales } = w.weight(dims, 0, 1.5 / Math.sqrt(elementCount(dims) / out));
  const pad = ((kernel - 1) * dilation) / 2;
  const attributes = { strides: [stride, stride], pads: [pad, pad, pad, pad], dilations: [dilation, dilation], group };
  const conv = w.b.add("Conv", [w.x.name, weight, w.bias(w.x, scales, out)], attributes);
  const relu = range === "positive" && w.x.scale === null ? w.b.add("Relu", [conv]) : conv;
  return w.value(relu, [out, Math.ceil(height / stride), Math.ceil(width / stride)], range);
}

function linear(w: Writer, out: number): Value {
  const width = w.x.dims[1]!;
  const { weight } = w.weight([width, out], 1, 1.5 / Math.sqrt(width));
  const product = w.b.add("MatMul", [w.x.name, weight]);
  return w.value(w.b.add("Add", [product, w.constant([out], 0.3)]), w.x.dims.with(1, out));
}
