import { describe, expect, it } from "vitest";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { codeLimits, quantized } from "../../../runtime/normalize/qdq/codes.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Graph, Model, Node, ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, int32, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";
import { difference, executed, expectSettled, operatorCounts } from "./compare.ts";

const next = random(21);

/** Integers that no int16 sum of two products overflows with: the same on every machine. */
const int8 = (dims: readonly number[]): Tensor => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return tensor(
    "int8",
    dims,
    Int8Array.from({ length }, () => Math.round((next() * 2 - 1) * 60)),
  );
};
const uint8 = (dims: readonly number[], zeroPoint: number): Tensor => ({
  type: "uint8",
  dims,
  data: Uint8Array.from(int8(dims).data as Int8Array, (code) => code + zeroPoint),
});
const zero = (type: "int8" | "uint8", value: number): Tensor =>
  tensor(type, [], type === "int8" ? Int8Array.of(value) : Uint8Array.of(value));

interface Activation {
  scale: number;
  zeroPoint: Tensor | null;
}
const X: Activation = { scale: 0.025, zeroPoint: zero("uint8", 128) };

/** x → QuantizeLinear → DequantizeLinear → what `build` makes of it → QuantizeLinear → DequantizeLinear → y */
function model(
  shape: readonly (string | number)[],
  build: (b: GraphBuilder, x: ValueName, quantize: (value: ValueName, as: Activation) => ValueName) => ValueName,
  { from = X, to = { scale: 0.03, zeroPoint: zero("uint8", 120) } }: { from?: Activation; to?: Activation } = {},
): Model {
  const b = new GraphBuilder();
  const quantize = (value: ValueName, { scale, zeroPoint }: Activation) => {
    const parameters = [b.constant("scale", float32([], [scale]))];
    if (zeroPoint) parameters.push(b.constant("zero_point", zeroPoint));
    return b.add("DequantizeLinear", [b.add("QuantizeLinear", [value, ...parameters]), ...parameters]);
  };
  const x = b.input("x", "float32", shape);
  b.output(quantize(build(b, quantize(x, from), quantize), to));
  return asModel(b.build("variant"));
}

/** A weight's DequantizeLinear. */
const weight = (
  b: GraphBuilder,
  codes: Tensor,
  scales: readonly number[],
  zeroPoints: Tensor | null,
  axis?: number,
) => {
  const scale = b.constant("weight_scale", float32(scales.length === 1 ? [] : [scales.length], scales));
  const inputs = [
    b.constant("weight", codes),
    scale,
    ...(zeroPoints ? [b.constant("weight_zero_point", zeroPoints)] : []),
  ];
  return b.add("DequantizeLinear", inputs, axis === undefined ? {} : { axis });
};

const image = ["N", 3, 5, 6];
const weightShape = [4, 3, 3, 3];
const scales = [0.01, 0.02, 0.015, 0.007];
const bias = (b: GraphBuilder) => b.constant("bias", float32([4], [0.5, -1, 0.25, 0]));

/**
 * One code of the output, where a number half way between two falls to the other side: because a float bias was rounded, because ONNX
 * Runtime computed the layer in float before, or because its kernel adds a zero point, now another, before it rounds.
 */
const ONE_CODE = 0.03;

const VARIANTS: Readonly<
  Record<string, { model: Model; within?: number; fused: Record<string, number>; weights?: "uint8" }>
> = {
  "int8 activations": {
    model: model(image, (b, x) => b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0)]), {
      from: { scale: 0.025, zeroPoint: zero("int8", 3) },
      to: { scale: 0.03, zeroPoint: zero("int8", -10) },
    }),
    fused: { QLinearConv: 1 },
  },
  "activations without zero points": {
    model: model(image, (b, x) => b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0)]), {
      from: { scale: 0.025, zeroPoint: null },
      to: { scale: 0.03, zeroPoint: null },
    }),
    fused: { QLinearConv: 1 },
  },
  "a weight per tensor": {
    model: model(image, (b, x) => b.add("Conv", [x, weight(b, int8(weightShape), [0.02], zero("int8", 0))])),
    fused: { QLinearConv: 1 },
  },
  "a uint8 weight with a zero point per tensor": {
    model: model(image, (b, x) => b.add("Conv", [x, weight(b, uint8(weightShape, 100), [0.02], zero("uint8", 100))])),
    fused: { QLinearConv: 1 },
  },
  "a uint8 weight per channel": {
    model: model(image, (b, x) =>
      b.add("Conv", [
        x,
        weight(b, uint8(weightShape, 128), scales, tensor("uint8", [4], Uint8Array.of(128, 128, 128, 128)), 0),
      ]),
    ),
    fused: { QLinearConv: 1 },
  },
  "a uint8 weight whose codes reach further from their zero point than int8 does": {
    model: model(image, (b, x) => {
      const codes = tensor("uint8", [1, 3, 1, 1], Uint8Array.of(0, 120, 200));
      return b.add("Conv", [x, weight(b, codes, [0.02], zero("uint8", 20))]);
    }),
    fused: { QLinearConv: 1 },
    weights: "uint8",
  },
  "an int8 weight whose codes reach further from their zero point than int8 does": {
    model: model(image, (b, x) => {
      const codes = tensor("int8", [1, 3, 1, 1], Int8Array.of(-128, -8, 72));
      return b.add("Conv", [x, weight(b, codes, [0.02], zero("int8", -108))]);
    }),
    fused: { QLinearConv: 1 },
    weights: "uint8",
  },
  "a Gemm's weight with the axis left to its default": {
    model: model(["N", 6], (b, x) => b.add("Gemm", [x, weight(b, int8([6, 4]), scales, null)])),
    fused: { QGemm: 1 },
  },
  "a MatMul's weight per tensor": {
    model: model(["N", 3, 6], (b, x) => b.add("MatMul", [x, weight(b, int8([6, 4]), [0.02], null)])),
    fused: { QLinearMatMul: 1 },
  },
  "a Gemm's weight transposed behind its DequantizeLinear": {
    model: model(["N", 6], (b, x) =>
      b.add("Gemm", [x, b.add("Transpose", [weight(b, int8([4, 6]), scales, null, 0)], { perm: [1, 0] })]),
    ),
    fused: { QGemm: 1 },
  },
  "a weight quantized in the graph, per channel": {
    model: model(image, (b, x) => {
      const parameters = [
        b.constant("s", float32([4], scales)),
        b.constant("z", tensor("int8", [4], new Int8Array(4))),
      ];
      const codes = b.add("QuantizeLinear", [b.constant("w", noise(weightShape, next, 0.5)), ...parameters], {
        axis: 0,
      });
      return b.add("Conv", [x, b.add("DequantizeLinear", [codes, ...parameters], { axis: 0 })]);
    }),
    fused: { QLinearConv: 1 },
  },
  "a float weight, which ONNX Runtime quantizes when it loads it": {
    model: model(image, (b, x) => b.add("Conv", [x, b.constant("weight", noise(weightShape, next, 0.5)), bias(b)])),
    within: ONE_CODE,
    fused: { QLinearConv: 1 },
    weights: "uint8",
  },
  "a float weight of a Gemm, all of one sign": {
    model: model(["N", 6], (b, x) => {
      const positive = noise([6, 4], next, 0.2).data.map((value) => value + 0.3);
      return b.add("Gemm", [x, b.constant("weight", float32([6, 4], positive)), bias(b)]);
    }),
    within: ONE_CODE,
    fused: { QGemm: 1 },
    weights: "uint8",
  },
  "a float weight of a product with a bias behind it": {
    model: model(["N", 6], (b, x) =>
      b.add("Add", [b.add("MatMul", [x, b.constant("weight", noise([6, 4], next, 0.5))]), bias(b)]),
    ),
    within: ONE_CODE,
    fused: { QGemm: 1 },
    weights: "uint8",
  },
  "a float bias": {
    model: model(image, (b, x) => b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0), bias(b)])),
    within: ONE_CODE,
    fused: { QLinearConv: 1 },
  },
  "a float bias of a Gemm, as a row": {
    model: model(["N", 6], (b, x) =>
      b.add("Gemm", [
        x,
        weight(b, int8([6, 4]), scales, null, 1),
        b.constant("c", float32([1, 4], [0.5, -1, 0.25, 0])),
      ]),
    ),
    within: ONE_CODE,
    fused: { QGemm: 1 },
  },
  "an int32 bias at a scale that is nearly the product": {
    model: model(image, (b, x) => {
      const inexact = scales.map((scale) => Math.fround(scale * 0.025) * (1 + 2 ** -22));
      const parameters = [
        b.constant("b", int32([4], [1000, -2000, 30, 0])),
        b.constant("bias_scale", float32([4], inexact)),
      ];
      const real = b.add("DequantizeLinear", parameters, { axis: 0 });
      return b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0), real]);
    }),
    within: ONE_CODE,
    fused: { QLinearConv: 1 },
  },
  "one DequantizeLinear that two layers and a sum read": {
    model: model(image, (b, x, quantize) => {
      const layer = () => b.add("Conv", [x, weight(b, int8([3, 3, 1, 1]), [0.01], null)]);
      const [left, right] = [quantize(layer(), X), quantize(layer(), X)];
      return b.add("Add", [quantize(b.add("Add", [left, right]), X), x]);
    }),
    fused: { QLinearConv: 2, QLinearAdd: 2 },
  },
  "one weight in two layers": {
    model: model(image, (b, x, quantize) => {
      const tied = weight(b, int8([3, 3, 1, 1]), [0.01, 0.02, 0.015], null, 0);
      return b.add("Conv", [quantize(b.add("Conv", [x, tied]), X), tied]);
    }),
    fused: { QLinearConv: 2 },
  },
  "a Relu that the quantizer does by itself": {
    model: model(image, (b, x) => b.add("Relu", [b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0)])]), {
      to: { scale: 0.03, zeroPoint: zero("uint8", 0) },
    }),
    fused: { QLinearConv: 1 },
  },
  "a Relu before a symmetric quantizer": {
    model: model(image, (b, x) => b.add("Relu", [b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0)])]), {
      to: { scale: 0.03, zeroPoint: zero("int8", 0) },
    }),
    fused: { QLinearConv: 1, Relu: 1 },
  },
  "a Clip within the quantizer's range": {
    model: model(image, (b, x) => {
      const [low, high] = [-1, 1].map((bound) => b.constant("bound", float32([], [bound])));
      return b.add("Clip", [b.add("Conv", [x, weight(b, int8(weightShape), scales, null, 0)]), low!, high!]);
    }),
    within: ONE_CODE,
    fused: { QLinearConv: 1, Clip: 1 },
  },
  "a constant summand in int8 beside int8 activations": {
    model: model(image, (b, x) => b.add("Add", [x, weight(b, int8([6]), [0.02], zero("int8", -5))]), {
      from: { scale: 0.025, zeroPoint: zero("int8", 3) },
      to: { scale: 0.03, zeroPoint: zero("int8", -10) },
    }),
    within: ONE_CODE,
    fused: { QLinearAdd: 1 },
  },
};

describe("a variant of QDQ becomes the one form, and fuses to integer operators", () => {
  for (const [name, variant] of Object.entries(VARIANTS)) {
    it(name, async () => {
      expect(await difference(variant.model)).toBeLessThanOrEqual((variant.within ?? 0) * 1.0001);
      const normalized = normalizeModel(variant.model);
      const operators = await executed(normalized);
      expect(operators).toMatchObject(variant.fused);
      for (const float of ["Conv", "Gemm", "MatMul", "Add"]) expect(operators).not.toHaveProperty(float);
      expectForm(normalized.graph, variant.weights);
      expectSettled(variant.model);
    });
  }

  it("a float layer stays one", async () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", image);
    b.output(b.add("Relu", [b.add("Conv", [x, b.constant("w", noise(weightShape, next))])]));
    const float = asModel(b.build("float"));
    expect(normalizeModel(float).graph).toEqual(float.graph);
  });

  it.each([true, false])(
    "a transposed convolution has the integers that ONNX Runtime gives it: bias %s",
    async (biased) => {
      const operands = (b: GraphBuilder) => [
        b.constant("weight", noise([3, 4, 2, 2], next, 0.5)),
        ...(biased ? [bias(b)] : []),
      ];
      const transposed = model(image, (b, x) => b.add("ConvTranspose", [x, ...operands(b)], { strides: [2, 2] }));
      expect(await difference(transposed)).toBe(0);
      const { graph } = normalizeModel(transposed);
      const [layer] = graph.nodes.filter(({ opType }) => opType === "ConvTranspose");
      for (const name of layer!.inputs) expect(graph.initializers.has(name)).toBe(false);
      expectSettled(transposed);
    },
  );

  it("a bias too large for int32 at its scale leaves its layer as it was", () => {
    const large = model(["N", 6], (b, x) =>
      b.add("Gemm", [x, weight(b, int8([6, 2]), [1e-12, 1e-12], null, 1), b.constant("c", float32([2], [5, -5]))]),
    );
    expect(normalizeModel(large).graph.initializers.get("c")).toEqual(float32([2], [5, -5]));
  });
});

describe("integers carried without a scale", () => {
  it("pass through real numbers with their own scale, pads included", async () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", ["N", 2, 6, 6]);
    const parameters = [b.constant("s", float32([], [0.025])), b.constant("z", zero("uint8", 100))];
    const codes = b.add("QuantizeLinear", [x, ...parameters]);
    const pads = b.constant("pads", {
      type: "int64",
      dims: [8],
      data: BigInt64Array.from([0, 0, 1, 1, 0, 0, 1, 1].map(BigInt)),
    });
    const padded = b.add("Pad", [codes, pads, b.constant("fill", zero("uint8", 7))]);
    const zeros = b.add("Pad", [codes, pads]);
    const joined = b.add("Concat", [padded, zeros], { axis: 1 });
    const pooled = b.add("MaxPool", [joined], { kernel_shape: [2, 2], strides: [2, 2] });
    const moved = b.add("Transpose", [pooled], { perm: [0, 2, 3, 1] });
    b.output(b.add("DequantizeLinear", [moved, ...parameters]));
    const carried = asModel(b.build("carried"));
    expect(await difference(carried)).toBe(0);
    const { graph } = normalizeModel(carried);
    expectForm(graph);
    expect(operatorCounts(graph)).toMatchObject({ Pad: 2, Concat: 1, MaxPool: 1, Transpose: 1 });
    expectSettled(carried);
  });
});

describe("quantized constants", () => {
  it("get the codes that ONNX Runtime's QuantizeLinear gives, ties and overflow included", async () => {
    const { openSession } = await import("../../../runtime/execute/session.ts");
    const values = [...Array.from({ length: 600 }, (_, at) => (at - 300) * 0.125), ...noise([200], next, 40).data];
    for (const type of Object.keys(codeLimits) as (keyof typeof codeLimits)[]) {
      const b = new GraphBuilder();
      const zeroPoint = {
        int8: Int8Array.of(-3),
        uint8: Uint8Array.of(3),
        int16: Int16Array.of(9),
        uint16: Uint16Array.of(9),
      }[type];
      const x = b.input("x", "float32", ["N"]);
      b.output(
        b.add(
          "QuantizeLinear",
          [x, b.constant("s", float32([], [0.25])), b.constant("z", tensor(type, [], zeroPoint))],
          {},
          "y",
        ),
      );
      const session = await openSession(asModel(b.build("quantize")));
      const { y } = await session.run({ x: float32([values.length], values) });
      await session.close();
      const rounded = values.map((value) => quantized(Math.fround(value), 0.25, zeroPoint[0]!, type));
      expect(rounded).toEqual(Array.from<number | bigint, number>(y!.data, Number));
    }
  });
});

/** What `qdq/index.ts` promises. */
function expectForm(graph: Graph, weights: "int8" | "uint8" = "int8"): void {
  const quantizers = graph.nodes.filter(({ opType }) => /^(Q|Deq)uantizeLinear$/.test(opType));
  const written = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const reads = (value: ValueName) =>
    graph.nodes.flatMap((node) => node.inputs.filter((name) => name === value).map(() => node));
  for (const node of quantizers) {
    expect(node.inputs.length, `${node.name} has a zero point`).toBe(3);
    const zeroPoint = graph.initializers.get(node.inputs[2]!)!;
    const constant = graph.initializers.get(node.inputs[0]!);
    if (node.opType === "QuantizeLinear") {
      expect(zeroPoint.type).toBe("uint8");
      expect(reads(node.outputs[0]!).every(({ opType }: Node) => opType === "DequantizeLinear")).toBe(true);
    } else {
      const results = graph.outputs.filter(({ name }) => name === node.outputs[0]).length;
      expect(reads(node.outputs[0]!).length + results, `${node.name} has one reader`).toBe(1);
      expect(constant || written.get(node.inputs[0]!)?.opType === "QuantizeLinear").toBeTruthy();
    }
  }
  for (const layer of graph.nodes.filter(({ opType }) => ["Conv", "Gemm", "MatMul"].includes(opType))) {
    const operands = layer.inputs
      .slice(1)
      .map((name) => written.get(name)!.inputs.map((input) => graph.initializers.get(input)!));
    expect(operands.length).toBe(layer.opType === "MatMul" ? 1 : 2);
    expect(operands.map(([codes]) => codes!.type)).toEqual(layer.opType === "MatMul" ? [weights] : [weights, "int32"]);
    expect(new Set(operands.flatMap(([, scale, zeroPoint]) => [scale!.dims.length, zeroPoint!.dims.length]))).toEqual(
      new Set([1]),
    );
  }
}
