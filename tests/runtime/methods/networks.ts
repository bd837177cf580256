import type { AttributeValue } from "../../../runtime/onnx/builder.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Dim, Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, int64 } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";

/** Float networks, small and smooth: their layers compute what they say, so that a difference quotient is a gradient. */
export const NETWORKS = { convolutions, transformer, multiplied } as const;

export type NetworkName = keyof typeof NETWORKS;

export const CLASSES = 3;

interface Writer {
  b: GraphBuilder;
  add(op: string, inputs: ValueName[], attributes?: Record<string, AttributeValue>, name?: string): ValueName;
  constant(dims: number[], scale: number, around?: number): ValueName;
}

function writer(seed: number): Writer {
  const b = new GraphBuilder();
  const next = random(seed);
  return {
    b,
    add: (op, inputs, attributes, name) => b.add(op, inputs, attributes, name),
    constant: (dims, scale, around = 0) =>
      b.constant(
        "constant",
        float32(
          dims,
          noise(dims, next, scale).data.map((value) => value + around),
        ),
      ),
  };
}

const finish = ({ b }: Writer, logits: ValueName): Model => {
  b.output(logits, { type: "float32", shape: ["N", CLASSES] });
  return asModel(b.build("network"));
};

/** Strided, grouped in two ways, depthwise, pointwise, dilated; a residual sum, a pool, a normalization, a linear head. */
function convolutions(): Model {
  const w = writer(3);
  const conv = (x: ValueName, name: string, dims: number[], attributes: Record<string, AttributeValue> = {}) => {
    const fanIn = dims.slice(1).reduce((product, dim) => product * dim, 1);
    const operands = [x, w.constant(dims, 1.5 / Math.sqrt(fanIn)), w.constant([dims[0]!], 0.3)];
    return w.add("Conv", operands, attributes, name);
  };
  const tanh = (x: ValueName) => w.add("Tanh", [x]);
  const x = w.b.input("x", "float32", ["N", 2, 9, 8]);
  const stem = tanh(conv(x, "stem", [8, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }));
  const norm = w.add(
    "BatchNormalization",
    [stem, w.constant([8], 0.3, 1), w.constant([8], 0.2), w.constant([8], 0.1), w.constant([8], 0.2, 0.7)],
    {},
    "norm",
  );
  const depthwise = tanh(conv(norm, "depthwise", [8, 1, 3, 3], { pads: [1, 1, 1, 1], group: 8 }));
  const pointwise = conv(depthwise, "pointwise", [8, 8, 1, 1]);
  const sum = tanh(w.add("Add", [stem, pointwise], {}, "sum"));
  const grouped = tanh(conv(sum, "grouped", [6, 4, 3, 2], { group: 2, pads: [0, 1, 1, 0] }));
  // As many groups as outputs, and yet not depthwise: each reads two inputs.
  const paired = tanh(conv(grouped, "paired", [3, 2, 2, 1], { group: 3 }));
  const multiplied = tanh(
    conv(paired, "multiplied", [6, 1, 3, 3], { group: 3, dilations: [1, 1], pads: [1, 1, 1, 1] }),
  );
  const dilated = tanh(conv(multiplied, "dilated", [5, 6, 2, 2], { dilations: [2, 1], strides: [1, 2] }));
  const pooled = w.add("Flatten", [w.add("GlobalAveragePool", [dilated])]);
  const logits = w.add(
    "Gemm",
    [pooled, w.constant([CLASSES, 5], 1), w.constant([CLASSES], 0.3)],
    { transB: 1 },
    "head",
  );
  return finish(w, logits);
}

/** One layer of a transformer over the time steps of a 1-D convolution: products with the bias behind them, rank 3. */
function transformer(): Model {
  const w = writer(4);
  const [tokens, width, heads] = [5, 8, 2];
  const linear = (x: ValueName, name: string, from: number, to: number) =>
    w.add(
      "Add",
      [w.add("MatMul", [x, w.constant([from, to], 1.2 / Math.sqrt(from))], {}, name), w.constant([to], 0.3)],
      {},
      `${name}_bias`,
    );
  const layerNorm = (x: ValueName, name: string) =>
    w.add("LayerNormalization", [x, w.constant([width], 0.3, 1), w.constant([width], 0.2)], { axis: -1 }, name);
  const shape = (dims: number[]) => w.b.constant("shape", int64(dims));

  const x = w.b.input("x", "float32", ["N", 4, 10]);
  const kernel = [w.constant([width, 4, 2], 0.6), w.constant([width], 0.2)];
  const patches = w.add("Transpose", [w.add("Conv", [x, ...kernel], { strides: [2] }, "patches")], { perm: [0, 2, 1] });
  const placed = w.add("Add", [patches, w.constant([1, tokens, width], 0.3)], {}, "places");
  const normed = layerNorm(placed, "norm1");
  const split = (name: string, perm: number[]) =>
    w.add(
      "Transpose",
      [w.add("Reshape", [linear(normed, name, width, width), shape([0, tokens, heads, width / heads])])],
      {
        perm,
      },
    );
  const scores = w.add("MatMul", [split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1])]);
  const seen = w.add("MatMul", [w.add("Softmax", [scores], { axis: -1 }), split("value", [0, 2, 1, 3])]);
  const merged = w.add("Reshape", [w.add("Transpose", [seen], { perm: [0, 2, 1, 3] }), shape([0, tokens, width])]);
  const middle = w.add("Add", [placed, linear(merged, "projection", width, width)], {}, "sum1");
  const hidden = w.add("Gelu", [linear(layerNorm(middle, "norm2"), "expand", width, 12)]);
  const last = w.add("Add", [middle, linear(hidden, "contract", 12, width)], {}, "sum2");
  const mean = w.add("ReduceMean", [layerNorm(last, "norm3"), shape([1])], { keepdims: 0 });
  const logits = w.add("Gemm", [mean, w.constant([width, CLASSES], 0.8), w.constant([CLASSES], 0.3)], {}, "head");
  return finish(w, logits);
}

/** What transformers' exporters leave now and then: constants on the left, and a matrix product of two dimensions as the head. */
function multiplied(): Model {
  const w = writer(5);
  const x = w.b.input("x", "float32", ["N", 6] satisfies Dim[]);
  const first = w.add("MatMul", [x, w.constant([6, 7], 0.8)], {}, "first");
  const hidden = w.add("Sigmoid", [w.add("Add", [w.constant([7], 0.4), first], {}, "first_bias")]);
  const second = w.add("Gemm", [hidden, w.constant([7, 6], 0.8), w.constant([1, 6], 0.3)], {}, "second");
  const head = w.add("MatMul", [w.add("Tanh", [second]), w.constant([6, CLASSES], 1)], {}, "head");
  return finish(w, w.add("Add", [head, w.constant([CLASSES], 0.3)], {}, "head_bias"));
}
