import { LichenError } from "../errors.ts";
import { absentRow, type Row, readRoot } from "./flatbuffer.ts";
import { decodeMetadata } from "./metadata.ts";
import type { TfliteModel, TfliteOperator, TfliteQuantization, TfliteTensor, TfliteType } from "./model.ts";
import { operatorName } from "./operator-names.ts";
import { assertComputable } from "./order.ts";
import { MODEL, OPTIONS, TENSOR_TYPES } from "./schema.ts";

/**
 * Reads a TFLite file. Of several subgraphs the first counts, which is the main one: what would call the others (IF, WHILE, CALL_ONCE) is
 * an operator that importing refuses.
 * @throws MODEL_CORRUPT for bytes that are no TFLite model or contradict themselves, UNSUPPORTED_OPERATOR for tensors without an arithmetic here
 */
export function decodeTflite(bytes: Uint8Array, at: string): TfliteModel {
  const file = readRoot(MODEL, "TFL3", bytes, at);
  const graph = file.subgraphs[0];
  if (file.version !== 3 || !graph) {
    throw corrupt(at, `version ${file.version}, ${file.subgraphs.length} subgraphs`, "version 3 and a subgraph");
  }
  refuseUnknownTypes(graph.tensors, at);
  const content = (index: number, where: string) => bufferBytes(file.buffers, index, bytes, where);
  const { inputs, outputs } = graph;
  const operators = graph.operators.map((row, index) => decodeOperator(row, index, file.operator_codes, at));
  const computed = new Set([...inputs, ...operators.flatMap((operator) => operator.outputs)]);
  const tensors = graph.tensors.map((row, index) =>
    decodeTensor(row, computed.has(index), `${at}: tensor ${index} (${row.name.slice(0, 80)})`, content),
  );
  assertComputable({ tensors, operators, inputs, outputs }, at);
  const constants = tensors.reduce((sum, tensor) => sum + (tensor.data?.byteLength ?? 0), 0);
  if (constants > MOST_SHARING * bytes.byteLength) {
    throw corrupt(at, `${constants} bytes of constants, shared`, `at most ${MOST_SHARING} times the file`);
  }
  const metadata = file.metadata.find(({ name }) => name === "TFLITE_METADATA");
  return {
    description: file.description,
    tensors,
    operators,
    inputs,
    outputs,
    metadata: metadata ? decodeMetadata(content(metadata.buffer, `${at}: metadata`) ?? NOTHING, bytes, at) : {},
  };
}

type FileModel = Row<typeof MODEL>;
type FileGraph = FileModel["subgraphs"][number];
type FileTensor = FileGraph["tensors"][number];
type FileOperator = FileGraph["operators"][number];
type Content = (buffer: number, at: string) => Uint8Array | null;

const NOTHING = new Uint8Array();

/** Tensors may share a buffer; were it without end, a small file could unfold to any size. */
const MOST_SHARING = 8;

/** More than any board holds. */
const MOST_ELEMENTS = 2 ** 31 - 1;

const HIGHEST_RANK = 8;

const BITS: Readonly<Record<TfliteType, number>> = {
  int4: 4,
  bool: 8,
  int8: 8,
  uint8: 8,
  int16: 16,
  float16: 16,
  int32: 32,
  float32: 32,
  int64: 64,
  float64: 64,
  complex64: 64,
};

/** Where a zero point may lie, by the type that is quantized; numbers of other types are what they are. */
const CODES: Partial<Record<TfliteType, readonly [least: number, greatest: number]>> = {
  int4: [-8, 7],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** All at once, so that one look says what a file would need. */
function refuseUnknownTypes(tensors: readonly FileTensor[], at: string): void {
  const unknown = new Set(
    tensors.filter(({ type }) => !TENSOR_TYPES[type]?.[1]).map(({ type }) => TENSOR_TYPES[type]?.[0] ?? `type ${type}`),
  );
  if (unknown.size === 0) return;
  const known = TENSOR_TYPES.flatMap(([schema, type]) => (type ? schema : []));
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: `${at}: tensors`,
    found: [...unknown].join(", "),
    wanted: known.join(", "),
  });
}

function decodeTensor(row: FileTensor, isComputed: boolean, at: string, content: Content): TfliteTensor {
  const type = TENSOR_TYPES[row.type]![1]!;
  if (row.sparsity) throw unsupported(at, "a sparse tensor", "dense weights: convert the model without sparsity");
  if (row.is_variable) throw unsupported(at, "a variable, which is state", "a model without state between two calls");
  const { shape } = row;
  const count = shape.reduce((product, dim) => product * dim, 1);
  // A list of nothing (the shape of a scalar, no axes) needs no bytes, and is a constant all the same.
  const least = isComputed || shape.length !== 1 ? 1 : 0;
  if (shape.length > HIGHEST_RANK || shape.some((dim) => dim < least) || count > MOST_ELEMENTS) {
    throw corrupt(
      at,
      `shape [${shape.slice(0, HIGHEST_RANK + 1)}]`,
      `at most ${HIGHEST_RANK} sizes of ${least} or more, together below 2^31`,
    );
  }
  const held = content(row.buffer, at);
  const size = Math.ceil((count * BITS[type]) / 8);
  if (held && held.byteLength !== size) {
    throw corrupt(at, `${held.byteLength} bytes`, `${size} bytes, for ${type}[${shape}]`);
  }
  const quantization = decodeQuantization(row.quantization, type, shape, at);
  const data = held ?? (count === 0 ? NOTHING : null);
  return { name: row.name, type, shape, quantization, data };
}

function decodeQuantization(
  row: FileTensor["quantization"],
  type: TfliteType,
  shape: readonly number[],
  at: string,
): TfliteQuantization | null {
  if (row && row.details_type !== 0)
    throw unsupported(at, "custom or blockwise quantization", "scales and zero points");
  const codes = CODES[type];
  if (!row || row.scale.length === 0 || !codes) return null;
  const scales = row.scale;
  const perSlice = scales.length > 1;
  const axis = perSlice ? row.quantized_dimension : 0;
  if (perSlice && shape[axis] !== scales.length) {
    throw corrupt(at, `${scales.length} scales along axis ${axis} of [${shape}]`, "one, or one a slice");
  }
  const zeroPoints = row.zero_point.length === 0 ? scales.map(() => 0) : row.zero_point;
  if (zeroPoints.length !== scales.length) {
    throw corrupt(at, `${scales.length} scales, ${zeroPoints.length} zero points`, "as many of both");
  }
  const badScale = scales.find((scale) => !(scale > 0 && scale < Infinity));
  if (badScale !== undefined) throw corrupt(at, `scale ${badScale}`, "a finite number above 0");
  const badZero = zeroPoints.find((zero) => zero < codes[0] || zero > codes[1]);
  if (badZero !== undefined) throw corrupt(at, `zero point ${badZero}`, `${codes[0]} to ${codes[1]}, for ${type}`);
  return { scales, zeroPoints, axis };
}

/** Of files beyond 2 GB the content stands behind the FlatBuffer, at an offset above 1. */
function bufferBytes(buffers: FileModel["buffers"], index: number, file: Uint8Array, at: string): Uint8Array | null {
  const buffer = buffers[index];
  if (!buffer) throw corrupt(at, `buffer ${index}`, `one of ${buffers.length}`);
  if (buffer.offset > 1) {
    const end = buffer.offset + buffer.size;
    if (end > file.byteLength) throw corrupt(at, `a buffer that ends at ${end}`, `within ${file.byteLength} bytes`);
    return file.subarray(buffer.offset, end);
  }
  return buffer.data && buffer.data.byteLength > 0 ? buffer.data : null;
}

function decodeOperator(
  row: FileOperator,
  index: number,
  codes: FileModel["operator_codes"],
  file: string,
): TfliteOperator {
  const place = `${file}: operator ${index}`;
  const code = codes[row.opcode_index];
  if (!code) throw corrupt(place, `operator code ${row.opcode_index}`, `one of ${codes.length}`);
  // Codes up to 127 stood in a byte once, and still do; newer ones leave a smaller placeholder there.
  const builtin = Math.max(code.deprecated_builtin_code, code.builtin_code);
  if (builtin < 0) throw corrupt(place, `builtin code ${builtin}`, "0 or more");
  const name = builtin === CUSTOM ? `custom:${code.custom_code}` : operatorName(builtin);
  const { inputs, outputs } = row;
  return { name, inputs, outputs, options: decodeOptions(row, name, `${place} (${name})`) };
}

const CUSTOM = 32;

function decodeOptions(row: FileOperator, name: string, at: string): TfliteOperator["options"] {
  if (!Object.hasOwn(OPTIONS, name)) return {};
  const [union, fields] = OPTIONS[name]!;
  const written = row.builtin_options_type !== 0 && row.builtin_options;
  if (!written) return absentRow(fields, at);
  if (row.builtin_options_type !== union) {
    throw corrupt(at, `options of kind ${row.builtin_options_type}`, `kind ${union}, or none`);
  }
  return written(fields);
}

function corrupt(at: string, found: string, wanted: string): LichenError {
  return new LichenError("MODEL_CORRUPT", { at, found, wanted });
}

function unsupported(at: string, found: string, wanted: string): LichenError {
  return new LichenError("UNSUPPORTED_OPERATOR", { at, found, wanted });
}
