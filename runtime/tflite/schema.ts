import {
  bool,
  bytes,
  enumeration,
  type Field,
  float32,
  float32s,
  int8,
  int32,
  int32s,
  int64s,
  positive,
  table,
  tables,
  text,
  uint8,
  uint32,
  uint64,
  union,
} from "./flatbuffer.ts";
import type { TfliteOperator, TfliteType } from "./model.ts";

// The tables of a TFLite file, as far as Lichen reads them: each field by its slot, by the schema's own name.
// @see TensorFlow Lite schema.fbs, version 3c

/** `padding` of convolutions and pools. */
export const PADDINGS = ["SAME", "VALID"] as const;

/** `fused_activation_function`. */
export const ACTIVATIONS = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"] as const;

/** `mode` of MIRROR_PAD. */
export const MIRROR_MODES = ["REFLECT", "SYMMETRIC"] as const;

/** `weights_format` of FULLY_CONNECTED. */
const WEIGHTS_FORMATS = ["DEFAULT", "SHUFFLED4x16INT8"] as const;

/** Element types by their codes; what Lichen has no arithmetic for is `null`. */
export const TENSOR_TYPES: readonly (readonly [schema: string, type: TfliteType | null])[] = [
  ["FLOAT32", "float32"],
  ["FLOAT16", "float16"],
  ["INT32", "int32"],
  ["UINT8", "uint8"],
  ["INT64", "int64"],
  ["STRING", null],
  ["BOOL", "bool"],
  ["INT16", "int16"],
  ["COMPLEX64", "complex64"],
  ["INT8", "int8"],
  ["FLOAT64", "float64"],
  ["COMPLEX128", null],
  ["UINT64", null],
  ["RESOURCE", null],
  ["VARIANT", null],
  ["UINT32", null],
  ["UINT16", null],
  ["INT4", "int4"],
  ["BFLOAT16", null],
];

const QUANTIZATION = {
  scale: float32s(2),
  zero_point: int64s(3),
  details_type: uint8(4),
  quantized_dimension: int32(6),
};

const TENSOR = {
  shape: int32s(0),
  type: int8(1),
  buffer: uint32(2),
  name: text(3),
  quantization: table(4, QUANTIZATION),
  is_variable: bool(5),
  sparsity: table(6, {}),
};

const OPERATOR = {
  opcode_index: uint32(0),
  inputs: int32s(1),
  outputs: int32s(2),
  builtin_options_type: uint8(3),
  builtin_options: union(4),
};

const SUBGRAPH = {
  tensors: tables(0, TENSOR),
  inputs: int32s(1),
  outputs: int32s(2),
  operators: tables(3, OPERATOR),
};

export const MODEL = {
  version: uint32(0),
  operator_codes: tables(1, {
    deprecated_builtin_code: int8(0),
    custom_code: text(1),
    builtin_code: int32(3),
  }),
  subgraphs: tables(2, SUBGRAPH),
  description: text(3),
  buffers: tables(4, { data: bytes(0), offset: uint64(1), size: uint64(2) }),
  metadata: tables(6, { name: text(0), buffer: uint32(1) }),
};

const activation = (slot: number) => enumeration(slot, ACTIVATIONS);
const ONLY_ACTIVATION = { fused_activation_function: activation(0) };
const POOL = {
  padding: enumeration(0, PADDINGS),
  stride_w: positive(1),
  stride_h: positive(2),
  filter_width: positive(3),
  filter_height: positive(4),
  fused_activation_function: activation(5),
};
const REDUCER = { keep_dims: bool(0) };
const BLOCK = { block_size: positive(0) };

/** All that an option can be. */
type OptionFields = Readonly<Record<string, Field<TfliteOperator["options"][string]>>>;

/** Options of operators: the number of their table in the union BuiltinOptions, and its fields. Others have none worth reading. */
export const OPTIONS: Readonly<Record<string, readonly [union: number, fields: OptionFields]>> = {
  CONV_2D: [
    1,
    {
      padding: enumeration(0, PADDINGS),
      stride_w: positive(1),
      stride_h: positive(2),
      fused_activation_function: activation(3),
      dilation_w_factor: positive(4, 1),
      dilation_h_factor: positive(5, 1),
    },
  ],
  DEPTHWISE_CONV_2D: [
    2,
    {
      padding: enumeration(0, PADDINGS),
      stride_w: positive(1),
      stride_h: positive(2),
      depth_multiplier: int32(3),
      fused_activation_function: activation(4),
      dilation_w_factor: positive(5, 1),
      dilation_h_factor: positive(6, 1),
    },
  ],
  TRANSPOSE_CONV: [
    49,
    {
      padding: enumeration(0, PADDINGS),
      stride_w: positive(1),
      stride_h: positive(2),
      fused_activation_function: activation(3),
    },
  ],
  AVERAGE_POOL_2D: [5, POOL],
  MAX_POOL_2D: [5, POOL],
  L2_POOL_2D: [5, POOL],
  FULLY_CONNECTED: [
    8,
    {
      fused_activation_function: activation(0),
      weights_format: enumeration(1, WEIGHTS_FORMATS),
      keep_num_dims: bool(2),
      asymmetric_quantize_inputs: bool(3),
    },
  ],
  BATCH_MATMUL: [101, { adj_x: bool(0), adj_y: bool(1), asymmetric_quantize_inputs: bool(2) }],
  ADD: [11, ONLY_ACTIVATION],
  SUB: [28, ONLY_ACTIVATION],
  MUL: [21, ONLY_ACTIVATION],
  DIV: [29, ONLY_ACTIVATION],
  L2_NORMALIZATION: [12, ONLY_ACTIVATION],
  SOFTMAX: [9, { beta: float32(0) }],
  LEAKY_RELU: [75, { alpha: float32(0) }],
  GELU: [116, { approximate: bool(0) }],
  MEAN: [27, REDUCER],
  SUM: [27, REDUCER],
  REDUCE_MAX: [27, REDUCER],
  REDUCE_MIN: [27, REDUCER],
  REDUCE_PROD: [27, REDUCER],
  MIRROR_PAD: [77, { mode: enumeration(0, MIRROR_MODES) }],
  RESHAPE: [17, { new_shape: int32s(0) }],
  SQUEEZE: [30, { squeeze_dims: int32s(0) }],
  CONCATENATION: [10, { axis: int32(0), fused_activation_function: activation(1) }],
  SPLIT: [35, { num_splits: positive(0) }],
  SPLIT_V: [79, { num_splits: positive(0) }],
  STRIDED_SLICE: [
    32,
    {
      begin_mask: int32(0),
      end_mask: int32(1),
      ellipsis_mask: int32(2),
      new_axis_mask: int32(3),
      shrink_axis_mask: int32(4),
      offset: bool(5),
    },
  ],
  GATHER: [23, { axis: int32(0), batch_dims: int32(1) }],
  PACK: [59, { values_count: int32(0), axis: int32(1) }],
  UNPACK: [64, { num: int32(0), axis: int32(1) }],
  CAST: [37, { in_data_type: int8(0), out_data_type: int8(1) }],
  SHAPE: [55, { out_type: int8(0) }],
  ARG_MAX: [40, { output_type: int8(0) }],
  ARG_MIN: [57, { output_type: int8(0) }],
  // Slots 0 and 1 were the new sizes once; an operand holds them now.
  RESIZE_BILINEAR: [15, { align_corners: bool(2), half_pixel_centers: bool(3) }],
  RESIZE_NEAREST_NEIGHBOR: [74, { align_corners: bool(0), half_pixel_centers: bool(1) }],
  SPACE_TO_DEPTH: [19, BLOCK],
  DEPTH_TO_SPACE: [94, BLOCK],
  CUMSUM: [102, { exclusive: bool(0), reverse: bool(1) }],
  LOCAL_RESPONSE_NORMALIZATION: [13, { radius: int32(0), bias: float32(1), alpha: float32(2), beta: float32(3) }],
};

const ASSOCIATED_FILE = { name: text(0), type: int8(2), locale: text(3) };

const TENSOR_METADATA = {
  process_units: tables(4, { options_type: uint8(0), options: union(1) }),
  associated_files: tables(6, ASSOCIATED_FILE),
};

/** What the buffer TFLITE_METADATA holds. @see metadata_schema.fbs of TensorFlow Lite Support, M001 */
export const MODEL_METADATA = {
  name: text(0),
  description: text(1),
  version: text(2),
  subgraph_metadata: tables(3, {
    input_tensor_metadata: tables(2, TENSOR_METADATA),
    output_tensor_metadata: tables(3, TENSOR_METADATA),
  }),
  author: text(4),
  license: text(5),
};

/** In the union ProcessUnitOptions. */
export const NORMALIZATION = [1, { mean: float32s(0), std: float32s(1) }] as const;

/** Of an associated file: names of the positions along an axis. */
export const TENSOR_AXIS_LABELS = 2;
