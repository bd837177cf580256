import type { Case, Side, Step } from "./case.ts";

const [SAME, VALID] = [0, 1];
const [RELU, RELU_N1_TO_1, RELU6] = [1, 2, 3];

const real = (...shape: number[]): Side => ({ shape });
const int8 = (shape: number[], scale: number, zeroPoint: number): Side => ({
  shape,
  type: "int8",
  scale: [scale],
  zeroPoint: [zeroPoint],
});
const uint8 = (shape: number[], scale: number, zeroPoint: number): Side => ({
  ...int8(shape, scale, zeroPoint),
  type: "uint8",
});
const weights = (...shape: number[]): Side => ({ shape, values: "noise" });
const perChannel = (shape: number[], axis: number, first = 0.004): Side => ({
  shape,
  type: "int8",
  axis,
  scale: Array.from({ length: shape[axis]! }, (_, channel) => Math.fround(first * (1 + channel / 3))),
  values: "noise",
});
const bias = (channels: number, xScale: number, first = 0.004): Side => ({
  shape: [channels],
  type: "int32",
  scale: Array.from({ length: channels }, (_, channel) => Math.fround(xScale * first * (1 + channel / 3))),
  values: "noise",
});
const ints = (...values: number[]): Side => ({ shape: [values.length], type: "int32", values });
const scalar = (value: number): Side => ({ shape: [], type: "int32", values: [value] });
const pairs = (...values: number[]): Side => ({ shape: [values.length / 2, 2], type: "int32", values });

/** x and y through one operator, with constants beside x. */
const one = (
  operator: string,
  x: Side,
  y: Side,
  options: Step[3] = {},
  constants: Readonly<Record<string, Side>> = {},
): Case => ({
  tensors: { x, ...constants, y },
  operators: [[operator, ["x", ...Object.keys(constants)], ["y"], options]],
});

const layer = (operator: string, x: Side, w: Side, b: Side, y: Side, options: Readonly<Record<string, number>>): Case =>
  one(operator, x, y, { stride_h: 1, stride_w: 1, ...options }, { w, b });

const pool = (
  operator: string,
  x: Side,
  y: Side,
  [height, width]: [number, number],
  padding: number,
  stride = 1,
): Case =>
  one(operator, x, y, { filter_height: height, filter_width: width, stride_h: stride, stride_w: stride, padding });

const positive = (side: Side): Side => ({ ...side, range: [0.2, 3] });
const wide = (side: Side): Side => ({ ...side, range: [-8, 8] });

export const CASES: Readonly<Record<string, Case>> = {
  "CONV_2D, float, SAME, stride 2, odd": layer(
    "CONV_2D",
    real(1, 7, 8, 3),
    weights(5, 3, 3, 3),
    weights(5),
    real(1, 4, 4, 5),
    { padding: SAME, stride_h: 2, stride_w: 2, fused_activation_function: RELU },
  ),
  "CONV_2D, float, dilated": layer("CONV_2D", real(1, 9, 9, 2), weights(3, 3, 3, 2), weights(3), real(1, 5, 5, 3), {
    padding: VALID,
    dilation_h_factor: 2,
    dilation_w_factor: 2,
    fused_activation_function: RELU6,
  }),
  "CONV_2D, float, clipped to ±1": layer(
    "CONV_2D",
    real(1, 4, 4, 2),
    weights(3, 1, 1, 2),
    weights(3),
    real(1, 4, 4, 3),
    { padding: VALID, fused_activation_function: RELU_N1_TO_1 },
  ),
  "CONV_2D, int8, per channel": layer(
    "CONV_2D",
    int8([1, 6, 5, 3], 0.02, -7),
    perChannel([4, 3, 3, 3], 0),
    bias(4, 0.02),
    int8([1, 6, 5, 4], 0.05, 3),
    { padding: SAME },
  ),
  "CONV_2D, int8, RELU in the codes' range": layer(
    "CONV_2D",
    int8([1, 6, 5, 3], 0.02, -7),
    perChannel([4, 3, 3, 3], 0),
    bias(4, 0.02),
    int8([1, 3, 3, 4], 0.04, -128),
    { padding: SAME, stride_h: 2, stride_w: 2, fused_activation_function: RELU },
  ),
  "CONV_2D, int8, RELU6 that cuts codes": layer(
    "CONV_2D",
    int8([1, 6, 5, 3], 0.02, -7),
    perChannel([4, 3, 3, 3], 0, 0.02),
    bias(4, 0.02, 0.02),
    int8([1, 6, 5, 4], 0.1, -20),
    { padding: SAME, fused_activation_function: RELU6 },
  ),
  "CONV_2D, uint8, legacy zero points": layer(
    "CONV_2D",
    uint8([1, 6, 6, 3], 0.02, 120),
    { ...uint8([4, 3, 3, 3], 0.005, 151), values: "noise" },
    { shape: [4], type: "int32", scale: [0.0001], values: "noise" },
    uint8([1, 6, 6, 4], 0.05, 128),
    { padding: SAME },
  ),
  "DEPTHWISE_CONV_2D, float, multiplier 2": layer(
    "DEPTHWISE_CONV_2D",
    real(1, 6, 6, 3),
    weights(1, 3, 3, 6),
    weights(6),
    real(1, 3, 3, 6),
    { padding: SAME, stride_h: 2, stride_w: 2, depth_multiplier: 2 },
  ),
  "DEPTHWISE_CONV_2D, int8": layer(
    "DEPTHWISE_CONV_2D",
    int8([1, 6, 6, 4], 0.03, 11),
    perChannel([1, 3, 3, 4], 3),
    bias(4, 0.03),
    int8([1, 6, 6, 4], 0.03, -9),
    { padding: SAME, depth_multiplier: 1 },
  ),
  "DEPTHWISE_CONV_2D, uint8": layer(
    "DEPTHWISE_CONV_2D",
    uint8([1, 6, 6, 4], 0.03, 11),
    { ...uint8([1, 3, 3, 4], 0.011, 90), values: "noise" },
    { shape: [4], type: "int32", scale: [0.00033], values: "noise" },
    uint8([1, 6, 6, 4], 0.07, 100),
    { padding: SAME, depth_multiplier: 1 },
  ),
  "TRANSPOSE_CONV, float, SAME": {
    tensors: { x: real(1, 4, 4, 3), shape: ints(1, 8, 8, 2), w: weights(2, 3, 3, 3), y: real(1, 8, 8, 2) },
    operators: [["TRANSPOSE_CONV", ["shape", "w", "x"], ["y"], { stride_h: 2, stride_w: 2, padding: SAME }]],
  },
  "TRANSPOSE_CONV, float, VALID": {
    tensors: { x: real(1, 4, 4, 3), shape: ints(1, 9, 9, 2), w: weights(2, 3, 3, 3), y: real(1, 9, 9, 2) },
    operators: [["TRANSPOSE_CONV", ["shape", "w", "x"], ["y"], { stride_h: 2, stride_w: 2, padding: VALID }]],
  },
  "FULLY_CONNECTED, float": one(
    "FULLY_CONNECTED",
    real(1, 6),
    real(1, 4),
    { fused_activation_function: RELU },
    { w: weights(4, 6), b: weights(4) },
  ),
  "FULLY_CONNECTED, no bias": one("FULLY_CONNECTED", real(1, 6), real(1, 4), {}, { w: weights(4, 6) }),
  "FULLY_CONNECTED, rows of one sample": one(
    "FULLY_CONNECTED",
    real(5, 6),
    real(5, 4),
    {},
    { w: weights(4, 6), b: weights(4) },
  ),
  "FULLY_CONNECTED, keeping dims": one(
    "FULLY_CONNECTED",
    real(1, 3, 6),
    real(1, 3, 4),
    { keep_num_dims: 1 },
    { w: weights(4, 6), b: weights(4) },
  ),
  "FULLY_CONNECTED, of a picture": one(
    "FULLY_CONNECTED",
    real(1, 2, 3, 4),
    real(1, 5),
    {},
    { w: weights(5, 24), b: weights(5) },
  ),
  "FULLY_CONNECTED, int8": one(
    "FULLY_CONNECTED",
    int8([1, 20], 0.03, 5),
    int8([1, 4], 0.05, -3),
    {},
    {
      w: { ...int8([4, 20], 0.006, 0), values: "noise" },
      b: { shape: [4], type: "int32", scale: [0.00018], values: "noise" },
    },
  ),
  "FULLY_CONNECTED, int8, rows": one(
    "FULLY_CONNECTED",
    int8([1, 3, 20], 0.03, 5),
    int8([1, 3, 4], 0.05, -3),
    { keep_num_dims: 1 },
    {
      w: { ...int8([4, 20], 0.006, 0), values: "noise" },
      b: { shape: [4], type: "int32", scale: [0.00018], values: "noise" },
    },
  ),
  "FULLY_CONNECTED, uint8": one(
    "FULLY_CONNECTED",
    uint8([1, 20], 0.03, 100),
    uint8([1, 4], 0.05, 130),
    {},
    {
      w: { ...uint8([4, 20], 0.006, 110), values: "noise" },
      b: { shape: [4], type: "int32", scale: [0.00018], values: "noise" },
    },
  ),
  BATCH_MATMUL: one("BATCH_MATMUL", real(1, 3, 4), real(1, 3, 5), {}, { w: weights(1, 4, 5) }),
  "BATCH_MATMUL, turned": one(
    "BATCH_MATMUL",
    real(1, 4, 3),
    real(1, 3, 5),
    { adj_x: 1, adj_y: 1 },
    { w: weights(1, 5, 4) },
  ),

  "ADD, float, a number for each channel": one(
    "ADD",
    real(1, 3, 4, 2),
    real(1, 3, 4, 2),
    { fused_activation_function: RELU },
    { c: weights(2) },
  ),
  "ADD, float, more rows than the batch": one("ADD", real(1, 4), real(3, 4), {}, { c: weights(3, 4) }),
  "ADD, int8, with a constant": one(
    "ADD",
    int8([1, 3, 4, 2], 0.03, 4),
    int8([1, 3, 4, 2], 0.05, -4),
    {},
    { c: { ...int8([1, 1, 1, 2], 0.02, 9), values: "noise" } },
  ),
  "SUB, float": one("SUB", real(1, 3, 4, 2), real(1, 3, 4, 2), {}, { c: weights(1, 3, 4, 1) }),
  "MUL, float, a window": one("MUL", real(6, 8), real(6, 8), {}, { c: weights(8) }),
  "MUL, int8": one(
    "MUL",
    int8([1, 3, 4, 2], 0.03, 4),
    int8([1, 3, 4, 2], 0.03, -4),
    {},
    { c: { ...int8([1, 3, 4, 2], 0.01, 9), values: "noise" } },
  ),
  "DIV, float": one("DIV", real(1, 5), real(1, 5), {}, { c: { ...weights(5), range: [0.5, 2] } }),
  MAXIMUM: one("MAXIMUM", real(1, 5), real(1, 5), {}, { c: weights(1, 5) }),
  MINIMUM: one("MINIMUM", real(1, 5), real(1, 5), {}, { c: weights(1, 5) }),
  POW: one("POW", positive(real(1, 5)), real(1, 5), {}, { c: weights(1, 5) }),
  SQUARED_DIFFERENCE: one("SQUARED_DIFFERENCE", real(1, 5), real(1, 5), {}, { c: weights(1, 5) }),
  ABS: one("ABS", real(1, 5), real(1, 5)),
  CEIL: one("CEIL", wide(real(1, 5)), real(1, 5)),
  EXP: one("EXP", real(1, 5), real(1, 5)),
  FLOOR: one("FLOOR", wide(real(1, 5)), real(1, 5)),
  L2_NORMALIZATION: one("L2_NORMALIZATION", real(1, 5), real(1, 5)),
  LOG: one("LOG", positive(real(1, 5)), real(1, 5)),
  NEG: one("NEG", real(1, 5), real(1, 5)),
  ROUND: one("ROUND", wide(real(1, 5)), real(1, 5)),
  RSQRT: one("RSQRT", positive(real(1, 5)), real(1, 5)),
  SIGN: one("SIGN", real(1, 5), real(1, 5)),
  SQRT: one("SQRT", positive(real(1, 5)), real(1, 5)),
  SQUARE: one("SQUARE", real(1, 5), real(1, 5)),

  ELU: one("ELU", wide(real(1, 9)), real(1, 9)),
  GELU: one("GELU", wide(real(1, 9)), real(1, 9)),
  HARD_SWISH: one("HARD_SWISH", wide(real(1, 9)), real(1, 9)),
  "HARD_SWISH, int8": one("HARD_SWISH", int8([1, 40], 0.05, 3), int8([1, 40], 0.05, -100)),
  LEAKY_RELU: one("LEAKY_RELU", real(1, 9), real(1, 9), { alpha: 0.2 }),
  LOGISTIC: one("LOGISTIC", wide(real(1, 9)), real(1, 9)),
  "LOGISTIC, int8": one("LOGISTIC", int8([1, 40], 0.06, 3), int8([1, 40], 1 / 256, -128)),
  LOG_SOFTMAX: one("LOG_SOFTMAX", wide(real(1, 9)), real(1, 9)),
  PRELU: one("PRELU", real(1, 3, 3, 4), real(1, 3, 3, 4), {}, { slope: weights(1, 1, 4) }),
  RELU: one("RELU", real(1, 9), real(1, 9)),
  "RELU, int8, to another scale": one("RELU", int8([1, 40], 0.05, 3), int8([1, 40], 0.03, -128)),
  RELU6: one("RELU6", wide(real(1, 9)), real(1, 9)),
  RELU_0_TO_1: one("RELU_0_TO_1", real(1, 9), real(1, 9)),
  RELU_N1_TO_1: one("RELU_N1_TO_1", wide(real(1, 9)), real(1, 9)),
  SOFTMAX: one("SOFTMAX", wide(real(1, 9)), real(1, 9), { beta: 1 }),
  "SOFTMAX, β of a half": one("SOFTMAX", wide(real(1, 9)), real(1, 9), { beta: 0.5 }),
  "SOFTMAX, int8": one("SOFTMAX", int8([1, 10], 0.06, 3), int8([1, 10], 1 / 256, -128), { beta: 1 }),
  "SOFTMAX, uint8": one("SOFTMAX", uint8([1, 10], 0.06, 130), uint8([1, 10], 1 / 256, 0), { beta: 1 }),
  TANH: one("TANH", wide(real(1, 9)), real(1, 9)),
  "TANH, int8": one("TANH", int8([1, 40], 0.03, 3), int8([1, 40], 1 / 128, 0)),

  "AVERAGE_POOL_2D, float, SAME": pool("AVERAGE_POOL_2D", real(1, 5, 6, 2), real(1, 3, 3, 2), [3, 3], SAME, 2),
  "AVERAGE_POOL_2D, int8": pool(
    "AVERAGE_POOL_2D",
    int8([1, 5, 6, 2], 0.1, 3),
    int8([1, 3, 3, 2], 0.1, 3),
    [3, 3],
    SAME,
    2,
  ),
  "AVERAGE_POOL_2D, int8, whole": pool(
    "AVERAGE_POOL_2D",
    int8([1, 5, 5, 8], 0.1, 3),
    int8([1, 1, 1, 8], 0.1, 3),
    [5, 5],
    VALID,
  ),
  "MAX_POOL_2D, float": pool("MAX_POOL_2D", real(1, 5, 6, 2), real(1, 4, 5, 2), [2, 2], VALID),
  "MAX_POOL_2D, int8, SAME": pool(
    "MAX_POOL_2D",
    int8([1, 5, 6, 2], 0.1, 3),
    int8([1, 3, 3, 2], 0.1, 3),
    [3, 3],
    SAME,
    2,
  ),

  "MEAN over places": one("MEAN", real(1, 3, 4, 5), real(1, 1, 1, 5), { keep_dims: 1 }, { axes: ints(1, 2) }),
  "MEAN over places, without them": one("MEAN", real(1, 3, 4, 5), real(1, 5), {}, { axes: ints(1, 2) }),
  "MEAN, int8, to another scale": one(
    "MEAN",
    int8([1, 3, 4, 9], 0.1, 3),
    int8([1, 1, 1, 9], 0.04, -7),
    { keep_dims: 1 },
    { axes: ints(1, 2) },
  ),
  "MEAN over channels": one("MEAN", real(1, 3, 4, 5), real(1, 3, 4, 1), { keep_dims: 1 }, { axes: ints(-1) }),
  "MEAN over rows of a sample": one("MEAN", real(3, 4), real(4), {}, { axes: ints(0) }),
  "MEAN over the batch of one": one("MEAN", real(1, 3, 4), real(3, 4), {}, { axes: ints(0) }),
  REDUCE_MAX: one("REDUCE_MAX", real(1, 3, 4, 5), real(1, 4, 5), {}, { axes: ints(1) }),
  REDUCE_MIN: one("REDUCE_MIN", real(1, 3, 4, 5), real(1, 3, 5), {}, { axes: ints(2) }),
  REDUCE_PROD: one("REDUCE_PROD", real(1, 3, 4), real(1, 3), {}, { axes: ints(2) }),
  SUM: one("SUM", real(1, 3, 4, 5), real(1, 3), {}, { axes: ints(2, 3) }),

  PAD: one("PAD", real(1, 3, 4, 2), real(1, 5, 7, 2), {}, { p: pairs(0, 0, 1, 1, 2, 1, 0, 0) }),
  "PAD of channels": one("PAD", real(1, 3, 4, 2), real(1, 3, 4, 5), {}, { p: pairs(0, 0, 0, 0, 0, 0, 1, 2) }),
  "PAD of rows without a batch": one("PAD", real(3, 4), real(3, 6), {}, { p: pairs(0, 0, 0, 2) }),
  "PAD, int8": one(
    "PAD",
    int8([1, 3, 4, 2], 0.1, 9),
    int8([1, 5, 6, 2], 0.1, 9),
    {},
    { p: pairs(0, 0, 1, 1, 1, 1, 0, 0) },
  ),
  PADV2: one(
    "PADV2",
    real(1, 3, 4),
    real(1, 5, 4),
    {},
    { p: pairs(0, 0, 1, 1, 0, 0), v: { shape: [1], values: [0.75] } },
  ),
  "MIRROR_PAD, reflecting": one(
    "MIRROR_PAD",
    real(1, 4, 4, 2),
    real(1, 8, 5, 2),
    { mode: 0 },
    { p: pairs(0, 0, 2, 2, 1, 0, 0, 0) },
  ),
  "MIRROR_PAD, symmetric by one": one(
    "MIRROR_PAD",
    real(1, 4, 4, 2),
    real(1, 6, 5, 2),
    { mode: 1 },
    { p: pairs(0, 0, 1, 1, 1, 0, 0, 0) },
  ),
  "PAD before a convolution, int8": {
    tensors: {
      x: int8([1, 6, 6, 3], 0.02, -7),
      p: pairs(0, 0, 0, 1, 0, 1, 0, 0),
      padded: int8([1, 7, 7, 3], 0.02, -7),
      w: perChannel([4, 3, 3, 3], 0),
      b: bias(4, 0.02),
      y: int8([1, 3, 3, 4], 0.05, 3),
    },
    operators: [
      ["PAD", ["x", "p"], ["padded"]],
      ["CONV_2D", ["padded", "w", "b"], ["y"], { padding: VALID, stride_h: 2, stride_w: 2 }],
    ],
  },

  "CONCATENATION of channels": {
    tensors: { x: real(1, 3, 3, 2), r: real(1, 3, 3, 2), y: real(1, 3, 3, 4) },
    operators: [
      ["RELU", ["x"], ["r"]],
      ["CONCATENATION", ["x", "r"], ["y"], { axis: 3 }],
    ],
  },
  "CONCATENATION along the batch of one": {
    tensors: { x: real(1, 4), r: real(1, 4), y: real(2, 4) },
    operators: [
      ["RELU", ["x"], ["r"]],
      ["CONCATENATION", ["x", "r"], ["y"], { axis: 0 }],
    ],
  },
  "CONCATENATION, int8": {
    tensors: { x: int8([1, 3, 3, 2], 0.1, 3), r: int8([1, 3, 3, 2], 0.1, 3), y: int8([1, 3, 3, 4], 0.1, 3) },
    operators: [
      ["MAX_POOL_2D", ["x"], ["r"], { filter_height: 2, filter_width: 2, stride_h: 1, stride_w: 1, padding: SAME }],
      ["CONCATENATION", ["x", "r"], ["y"], { axis: -1 }],
    ],
  },
  DEPTH_TO_SPACE: one("DEPTH_TO_SPACE", real(1, 2, 3, 8), real(1, 4, 6, 2), { block_size: 2 }),
  SPACE_TO_DEPTH: one("SPACE_TO_DEPTH", real(1, 4, 6, 2), real(1, 2, 3, 8), { block_size: 2 }),
  EXPAND_DIMS: one("EXPAND_DIMS", real(1, 3, 4), real(1, 3, 1, 4), {}, { axis: scalar(2) }),
  RESHAPE: one("RESHAPE", real(1, 3, 4), real(1, 2, 6), {}, { shape: ints(1, 2, 6) }),
  "RESHAPE that takes the batch away": one("RESHAPE", real(1, 3, 4), real(6, 2), {}, { shape: ints(6, 2) }),
  "RESHAPE that gives one": one("RESHAPE", real(3, 4), real(1, 12), {}, { shape: ints(1, 12) }),
  SQUEEZE: one("SQUEEZE", real(1, 1, 3, 4), real(3, 4)),
  TRANSPOSE: one("TRANSPOSE", real(1, 2, 3, 4), real(1, 4, 2, 3), {}, { perm: ints(0, 3, 1, 2) }),
  "TRANSPOSE of the batch of one": one("TRANSPOSE", real(1, 3, 4), real(4, 1, 3), {}, { perm: ints(2, 0, 1) }),
  PACK: {
    tensors: { x: real(1, 3, 2), r: real(1, 3, 2), y: real(1, 2, 3, 2) },
    operators: [
      ["NEG", ["x"], ["r"]],
      ["PACK", ["x", "r"], ["y"], { axis: 1, values_count: 2 }],
    ],
  },
  UNPACK: {
    tensors: { x: real(1, 3, 2), a: real(1, 2), b: real(1, 2), c: real(1, 2), y: real(1, 2) },
    operators: [
      ["UNPACK", ["x"], ["a", "b", "c"], { axis: 1, num: 3 }],
      ["SUB", ["c", "b"], ["y"]],
    ],
  },
  GATHER: one(
    "GATHER",
    real(6, 4),
    real(3, 2, 4),
    { axis: 0 },
    { at: { shape: [3, 2], type: "int32", values: [0, 1, 1, 2, 4, 5] } },
  ),
  "GATHER within a sample": one("GATHER", real(1, 6, 4), real(1, 6, 2), { axis: 2 }, { at: ints(3, 1) }),
  SLICE: one("SLICE", real(1, 6, 4), real(1, 3, 2), {}, { begin: ints(0, 2, 1), size: ints(1, 3, 2) }),
  SPLIT: {
    tensors: { x: real(1, 6, 4), axis: scalar(1), a: real(1, 3, 4), b: real(1, 3, 4), y: real(1, 3, 4) },
    operators: [
      ["SPLIT", ["axis", "x"], ["a", "b"], { num_splits: 2 }],
      ["SUB", ["a", "b"], ["y"]],
    ],
  },
  SPLIT_V: {
    tensors: {
      x: real(1, 6, 4),
      sizes: ints(1, 5),
      axis: scalar(1),
      a: real(1, 1, 4),
      b: real(1, 5, 4),
      y: real(1, 5, 4),
    },
    operators: [
      ["SPLIT_V", ["x", "sizes", "axis"], ["a", "b"], { num_splits: 2 }],
      ["SUB", ["b", "a"], ["y"]],
    ],
  },
  STRIDED_SLICE: one(
    "STRIDED_SLICE",
    real(1, 6, 5),
    real(1, 2, 2),
    { begin_mask: 1, end_mask: 1 },
    { begin: ints(0, 1, 0), end: ints(1, -1, 3), steps: ints(1, 2, 2) },
  ),
  "STRIDED_SLICE backwards": one(
    "STRIDED_SLICE",
    real(1, 6),
    real(1, 6),
    { begin_mask: 3, end_mask: 3 },
    { begin: ints(0, 0), end: ints(0, 0), steps: ints(1, -1) },
  ),
  "STRIDED_SLICE that takes an axis": one(
    "STRIDED_SLICE",
    real(1, 6, 5),
    real(1, 5),
    { begin_mask: 5, end_mask: 5, shrink_axis_mask: 2 },
    { begin: ints(0, 3, 0), end: ints(0, 4, 0), steps: ints(1, 1, 1) },
  ),

  QUANTIZE: one("QUANTIZE", wide(real(1, 30)), int8([1, 30], 0.05, -9)),
  "QUANTIZE, to another scale": one("QUANTIZE", int8([1, 60], 0.05, -9), int8([1, 60], 0.08, 20)),
  "QUANTIZE, to unsigned": one("QUANTIZE", int8([1, 30], 0.05, -9), uint8([1, 30], 0.05, 119)),
  DEQUANTIZE: one("DEQUANTIZE", int8([1, 30], 0.05, -9), real(1, 30)),
  "DEQUANTIZE, weights of 16 bits": {
    tensors: {
      x: real(1, 3),
      h: { shape: [2, 3], type: "float16", values: [0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8000] },
      w: real(2, 3),
      y: real(1, 2),
    },
    operators: [
      ["DEQUANTIZE", ["h"], ["w"]],
      ["FULLY_CONNECTED", ["x", "w"], ["y"]],
    ],
  },

  ...Object.fromEntries(
    Object.entries({ "": {}, ", half pixels": { half_pixel_centers: 1 }, ", corners": { align_corners: 1 } }).flatMap(
      ([kind, options]) =>
        ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"].map((operator) => [
          `${operator}${kind}`,
          one(operator, real(1, 4, 5, 2), real(1, 7, 9, 2), options, { size: ints(7, 9) }),
        ]),
    ),
  ),
  "RFFT2D and its magnitude": {
    tensors: {
      x: real(3, 1, 16),
      length: ints(1, 16),
      f: { shape: [3, 1, 9], type: "complex64" },
      shape: ints(3, 9),
      g: { shape: [3, 9], type: "complex64" },
      y: real(3, 9),
    },
    operators: [
      ["RFFT2D", ["x", "length"], ["f"]],
      ["RESHAPE", ["f", "shape"], ["g"]],
      ["COMPLEX_ABS", ["g"], ["y"]],
    ],
  },
  "RFFT2D, real part": {
    tensors: { x: real(3, 1, 16), length: ints(1, 16), f: { shape: [3, 1, 9], type: "complex64" }, y: real(3, 1, 9) },
    operators: [
      ["RFFT2D", ["x", "length"], ["f"]],
      ["REAL", ["f"], ["y"]],
    ],
  },
  "RFFT2D, imaginary part": {
    tensors: { x: real(3, 1, 16), length: ints(1, 16), f: { shape: [3, 1, 9], type: "complex64" }, y: real(3, 1, 9) },
    operators: [
      ["RFFT2D", ["x", "length"], ["f"]],
      ["IMAG", ["f"], ["y"]],
    ],
  },
};
