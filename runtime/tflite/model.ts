/** A TFLite file (schema version 3), read and checked: every index is in range, every size is what the bytes hold. */
export interface TfliteModel {
  description: string;
  tensors: readonly TfliteTensor[];
  /** In an order in which they can be computed. */
  operators: readonly TfliteOperator[];
  /** Indices into `tensors`. */
  inputs: readonly number[];
  outputs: readonly number[];
  /** What the file says of its own input and output, in its metadata; empty where it says nothing. */
  metadata: TfliteMetadata;
}

export type TfliteType =
  | "float32"
  | "float16"
  | "float64"
  | "int4"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "bool"
  | "complex64";

export interface TfliteTensor {
  name: string;
  type: TfliteType;
  /** Empty for a scalar. A dimension that the file leaves open (`shape_signature` −1) is 1 here, as TFLite itself starts with. */
  shape: readonly number[];
  /** real = scale · (q − zeroPoint); one pair for all, or one a slice along `axis`. */
  quantization: TfliteQuantization | null;
  /** Of a constant: little-endian, exactly as many bytes as shape and type say. */
  data: Uint8Array | null;
}

export interface TfliteQuantization {
  scales: readonly number[];
  zeroPoints: readonly number[];
  axis: number;
}

export interface TfliteOperator {
  /** The builtin operator's name in the schema, such as `CONV_2D`; of a custom one `custom:‹code›`. */
  name: string;
  /** Indices into `tensors`; −1 for an operand that is left out. */
  inputs: readonly number[];
  outputs: readonly number[];
  /** By the schema's names (`stride_w`, `fused_activation_function`, …), with the schema's defaults where the file is silent. */
  options: Readonly<Record<string, number | boolean | readonly number[]>>;
}

/** @see TensorFlow Lite metadata_schema.fbs */
export interface TfliteMetadata {
  name?: string;
  description?: string;
  version?: string;
  author?: string;
  licence?: string;
  /** Of the first input, when it is a picture: features = (pixel − mean) / std. */
  normalization?: { mean: readonly number[]; std: readonly number[] };
  /** Of the first output, from the label file packed into the model. */
  labels?: readonly string[];
}
