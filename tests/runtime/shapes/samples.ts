import fc, { type Arbitrary } from "fast-check";
import type { AttributeValue } from "../../../runtime/onnx/builder.ts";
import { ELEMENT_CODES } from "../../../runtime/onnx/elements.ts";
import {
  ELEMENTS,
  type ElementArray,
  type ElementType,
  elementCount,
  float32,
  int64,
  type Tensor,
  tensor,
} from "../../../runtime/onnx/tensor.ts";

/** An operator's operands and attributes. */
export interface Sample {
  operands: (Tensor | null)[];
  attributes?: Record<string, AttributeValue>;
  outputs?: number;
}

const size = fc.integer({ min: 1, max: 4 });
const shape = (minLength = 0, maxLength = 4) => fc.array(size, { minLength, maxLength });
const axisOf = (rank: number) => fc.integer({ min: -rank, max: rank - 1 });

/** Of a type, all elements alike: only shapes matter here. */
function filled(type: ElementType, dims: readonly number[], value = 1): Tensor {
  const data = new ELEMENTS[type](elementCount(dims));
  return tensor(
    type,
    dims,
    (type === "int64"
      ? (data as BigInt64Array).fill(BigInt(value))
      : (data as Float32Array).fill(value)) as ElementArray,
  );
}

const unary = (attributes?: Record<string, AttributeValue>, type: ElementType = "float32"): Arbitrary<Sample> =>
  shape(1).map((dims) => ({ operands: [filled(type, dims)], ...(attributes ? { attributes } : {}) }));

/** Shapes that broadcast together: parts of one shape, with some sizes 1 and some leading axes left out. */
export const broadcastable = (count: number): Arbitrary<number[][]> =>
  shape(0, 4).chain((full) =>
    fc.array(
      fc
        .tuple(fc.nat({ max: full.length }), fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }))
        .map(([lead, single]) => full.map((dim, axis) => (single[axis] ? 1 : dim)).slice(lead)),
      { minLength: count, maxLength: count },
    ),
  );

const broadcast = (count: number, type: ElementType = "float32", attributes = {}): Arbitrary<Sample> =>
  broadcastable(count).map((shapes) => ({ operands: shapes.map((dims) => filled(type, dims)), attributes }));

const reduction: Arbitrary<Sample> = shape(1).chain((dims) =>
  fc
    .tuple(fc.option(fc.uniqueArray(fc.nat({ max: dims.length - 1 }))), fc.boolean(), fc.boolean())
    .map(([axes, keeps, noop]) => ({
      operands: [
        filled("float32", dims),
        // Every other axis counted from the back.
        axes && int64(axes.map((axis, at) => (at % 2 === 0 ? axis : axis - dims.length))),
      ],
      attributes: { keepdims: Number(keeps), noop_with_empty_axes: Number(noop) },
    })),
);

const argument: Arbitrary<Sample> = shape(1).chain((dims) =>
  fc.tuple(axisOf(dims.length), fc.boolean()).map(([axis, keeps]) => ({
    operands: [filled("float32", dims)],
    attributes: { axis, keepdims: Number(keeps) },
  })),
);

/** [.., M, K] by [.., K, N], with vectors among them. */
const matrices = (vectors: boolean): Arbitrary<[number[], number[]]> =>
  fc
    .tuple(broadcastable(2), size, size, size, fc.boolean(), fc.boolean())
    .map(([batches, m, k, n, row, column]) => [
      vectors && row ? [k] : [...batches[0]!.slice(-2), m, k],
      vectors && column ? [k] : [...batches[1]!.slice(-2), k, n],
    ]);

const level = (type: ElementType = "uint8") => filled(type, [], 0);
const scale = filled("float32", []);

interface Convolution {
  x: number[];
  w: number[];
  attributes: Record<string, AttributeValue>;
}

const convolution: Arbitrary<Convolution> = fc.integer({ min: 1, max: 2 }).chain((rank) => {
  const perAxis = (min: number, max: number) =>
    fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank });
  return fc
    .record({
      sizes: perAxis(7, 10),
      kernel: perAxis(1, 3),
      strides: perAxis(1, 3),
      dilations: perAxis(1, 2),
      begins: perAxis(0, 2),
      ends: perAxis(0, 2),
      automatic: fc.constantFrom(undefined, "SAME_UPPER", "SAME_LOWER", "VALID"),
      batch: size,
      channels: size,
    })
    .map(({ sizes, kernel, strides, dilations, begins, ends, automatic, batch, channels }) => ({
      x: [batch, 2, ...sizes],
      w: [channels, 2, ...kernel],
      attributes: {
        strides,
        // With automatic padding ONNX Runtime takes dilations of one only.
        dilations: automatic?.startsWith("SAME") ? dilations.map(() => 1) : dilations,
        ...(automatic ? { auto_pad: automatic } : { pads: [...begins, ...ends] }),
      },
    }));
});

const recurrent = (gates: number, outputs: number): Arbitrary<Sample> =>
  fc.tuple(size, size, size, size, fc.boolean()).map(([steps, batch, width, hidden, both]) => {
    const directions = both ? 2 : 1;
    return {
      operands: [
        filled("float32", [steps, batch, width]),
        filled("float32", [directions, gates * hidden, width]),
        filled("float32", [directions, gates * hidden, hidden]),
      ],
      attributes: { hidden_size: hidden, direction: both ? "bidirectional" : "forward" },
      outputs,
    };
  });

const normalised = (statistics: number): Arbitrary<Sample> =>
  shape(2).map((dims) => ({
    operands: [filled("float32", dims), ...Array.from({ length: statistics }, () => filled("float32", [dims[1]!]))],
  }));

export const SAMPLES: Readonly<Record<string, Arbitrary<Sample>>> = {
  Identity: unary(),
  Cast: fc
    .constantFrom("float32", "float64", "int8", "uint8", "int32", "int64", "bool")
    .chain((type) => unary({ to: ELEMENT_CODES[type as ElementType] })),

  Add: broadcast(2),
  Sub: broadcast(2),
  Mul: broadcast(2, "int64"),
  Div: broadcast(2),
  Mod: broadcast(2, "int64"),
  Pow: broadcast(2),
  Min: broadcast(3),
  Max: broadcast(1),
  Sum: broadcast(3),
  Mean: broadcast(3),

  Neg: unary(),
  Abs: unary(),
  Sign: unary(),
  Sqrt: unary(),
  Exp: unary(),
  Log: unary(),
  Erf: unary(),
  Reciprocal: unary(),
  Floor: unary(),
  Ceil: unary(),
  Round: unary(),

  Relu: unary(),
  Clip: shape(1).map((dims) => ({ operands: [filled("float32", dims), null, scale] })),
  LeakyRelu: unary(),
  PRelu: shape(1).map((dims) => ({ operands: [filled("float32", dims), filled("float32", dims.slice(-1))] })),
  Elu: unary(),
  Gelu: unary({ approximate: "tanh" }),
  Sigmoid: unary(),
  HardSigmoid: unary(),
  HardSwish: unary(),
  Tanh: unary(),
  Softmax: unary({ axis: 0 }),
  LogSoftmax: unary(),

  Equal: broadcast(2),
  Greater: broadcast(2),
  GreaterOrEqual: broadcast(2, "int64"),
  Less: broadcast(2),
  LessOrEqual: broadcast(2),
  And: broadcast(2, "bool"),
  Or: broadcast(2, "bool"),
  Not: unary(undefined, "bool"),

  ReduceMean: reduction,
  ReduceSum: reduction,
  ReduceSumSquare: reduction,
  ReduceL2: reduction,
  ReduceProd: reduction,
  ReduceMax: reduction,
  ReduceMin: reduction,
  ArgMax: argument,
  ArgMin: argument,

  BatchNormalization: normalised(4),
  InstanceNormalization: shape(3)
    .filter((dims) => dims.length > 2)
    .map((dims) => ({
      operands: [filled("float32", dims), filled("float32", [dims[1]!]), filled("float32", [dims[1]!])],
    })),
  LayerNormalization: shape(1).chain((dims) =>
    axisOf(dims.length).map((axis) => ({
      operands: [filled("float32", dims), filled("float32", dims.slice(axis))],
      attributes: { axis },
      outputs: 3,
    })),
  ),

  Shape: shape(1).chain((dims) =>
    fc.tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 })).map(([start, end]) => ({
      operands: [filled("float32", dims)],
      attributes: { start, end },
    })),
  ),
  Size: unary(),
  Constant: shape().map((dims) => ({ operands: [], attributes: { value: filled("float32", dims) } })),
  ConstantOfShape: fc.tuple(shape(1), fc.constantFrom("float32", "int64", "bool")).map(([dims, type]) => ({
    operands: [int64(dims)],
    attributes: { value: filled(type as ElementType, [1]) },
  })),
  Range: fc
    .tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 }), fc.constantFrom(-2, -1, 1, 3))
    .map((bounds) => ({ operands: bounds.map((bound) => filled("int64", [], bound)) })),
  OneHot: shape(1).chain((dims) =>
    axisOf(dims.length + 1).map((axis) => ({
      operands: [filled("int64", dims), filled("int64", [], 3), float32([2], [0, 1])],
      attributes: { axis },
    })),
  ),

  GatherElements: shape(1).map((dims) => ({
    operands: [filled("float32", dims), filled("int64", dims.with(0, 5), 0)],
  })),
  ScatterElements: shape(1).map((dims) => ({
    operands: [filled("float32", dims), filled("int64", dims.with(0, 1), 0), filled("float32", dims.with(0, 1))],
  })),
  ScatterND: shape(2).map((dims) => ({
    operands: [filled("float32", dims), filled("int64", [1, 1], 0), filled("float32", [1, ...dims.slice(1)])],
  })),
  TopK: shape(1).chain((dims) =>
    axisOf(dims.length).map((axis) => ({
      operands: [filled("float32", dims), int64([1])],
      attributes: { axis },
      outputs: 2,
    })),
  ),

  Conv: convolution.map(({ x, w, attributes }) => ({
    operands: [filled("float32", x), filled("float32", w)],
    attributes,
  })),
  MatMul: matrices(true).map(([a, b]) => ({ operands: [filled("float32", a), filled("float32", b)] })),
  Gemm: fc.tuple(size, size, size, fc.nat({ max: 1 }), fc.nat({ max: 1 })).map(([m, k, n, transA, transB]) => ({
    operands: [filled("float32", transA ? [k, m] : [m, k]), filled("float32", transB ? [n, k] : [k, n])],
    attributes: { transA, transB },
  })),

  QuantizeLinear: fc.tuple(shape(1), fc.constantFrom("int8", "uint8", undefined)).map(([dims, type]) => ({
    operands: [filled("float32", dims), scale, ...(type ? [level(type as ElementType)] : [])],
  })),
  DequantizeLinear: shape(1).map((dims) => ({ operands: [filled("int8", dims), scale, level("int8")] })),
  DynamicQuantizeLinear: shape(1).map((dims) => ({ operands: [filled("float32", dims)], outputs: 3 })),
  QLinearConv: convolution.map(({ x, w, attributes }) => ({
    operands: [filled("uint8", x), scale, level(), filled("int8", w), scale, level("int8"), scale, level()],
    attributes,
  })),
  QLinearMatMul: matrices(false).map(([a, b]) => ({
    operands: [filled("uint8", a), scale, level(), filled("int8", b), scale, level("int8"), scale, level()],
  })),
  ConvInteger: convolution.map(({ x, w, attributes }) => ({
    operands: [filled("uint8", x), filled("uint8", w)],
    attributes,
  })),
  MatMulInteger: matrices(false).map(([a, b]) => ({ operands: [filled("uint8", a), filled("int8", b)] })),

  LSTM: recurrent(4, 3),
  GRU: recurrent(3, 2),
};
