import { Builder } from "flatbuffers";

/** A TFLite file as plain numbers: written as it says, right or wrong. */
export interface TfliteParts {
  version?: number;
  identifier?: string;
  description?: string;
  codes?: readonly { builtin?: number; deprecated?: number; custom?: string }[];
  tensors: readonly TensorParts[];
  operators?: readonly OperatorParts[];
  inputs?: readonly number[];
  outputs?: readonly number[];
  /** The first is empty, by the format's rule. */
  buffers?: readonly (Uint8Array | { offset: number; size: number })[];
  metadata?: readonly { name: string; buffer: number }[];
  /** How often the graph stands in the file. */
  subgraphs?: number;
}

export interface TensorParts {
  shape: readonly number[];
  type?: number;
  buffer?: number;
  name?: string;
  scale?: readonly number[];
  zeroPoint?: readonly number[];
  axis?: number;
  details?: boolean;
  sparse?: boolean;
  variable?: boolean;
}

export interface OperatorParts {
  code?: number;
  inputs: readonly number[];
  outputs: readonly number[];
  /** The number of the options' kind, and int32 or bytes by slot. */
  options?: { kind: number; int32?: Readonly<Record<number, number>>; int8?: Readonly<Record<number, number>> };
}

/** Type codes of tensors. */
export const FLOAT32 = 0;
export const INT32 = 2;
export const INT8 = 9;

/** Operator codes and kinds of options. */
export const ADD = { code: 0, kind: 11 };
export const CONV_2D = { code: 3, kind: 1 };

export function buildTflite(parts: TfliteParts): Uint8Array {
  const b = new Builder(1024);
  const graph = {
    tensors: vectorOfOffsets(
      b,
      parts.tensors.map((tensor) => tensorOf(b, tensor)),
    ),
    inputs: int32s(b, parts.inputs ?? [0]),
    outputs: int32s(b, parts.outputs ?? [parts.tensors.length - 1]),
    operators: vectorOfOffsets(
      b,
      (parts.operators ?? []).map((operator) => operatorOf(b, operator)),
    ),
  };
  const subgraph = table(b, 5, (add) => {
    add.offset(0, graph.tensors);
    add.offset(1, graph.inputs);
    add.offset(2, graph.outputs);
    add.offset(3, graph.operators);
  });
  const codes = (parts.codes ?? [{ deprecated: ADD.code }]).map(({ builtin = 0, deprecated = 0, custom }) => {
    const name = custom === undefined ? 0 : b.createString(custom);
    return table(b, 4, (add) => {
      add.int8(0, deprecated);
      add.offset(1, name);
      add.int32(3, builtin);
    });
  });
  const buffers = (parts.buffers ?? [new Uint8Array()]).map((buffer) => {
    const data = buffer instanceof Uint8Array ? b.createByteVector(buffer) : 0;
    return table(b, 3, (add) => {
      add.offset(0, data);
      if (!(buffer instanceof Uint8Array)) add.int64(1, buffer.offset);
      if (!(buffer instanceof Uint8Array)) add.int64(2, buffer.size);
    });
  });
  const metadata = (parts.metadata ?? []).map(({ name, buffer }) => {
    const text = b.createString(name);
    return table(b, 2, (add) => {
      add.offset(0, text);
      add.int32(1, buffer);
    });
  });
  const description = b.createString(parts.description ?? "");
  const vectors = [
    vectorOfOffsets(b, codes),
    vectorOfOffsets(b, Array(parts.subgraphs ?? 1).fill(subgraph)),
    vectorOfOffsets(b, buffers),
    vectorOfOffsets(b, metadata),
  ] as const;
  const model = table(b, 7, (add) => {
    add.int32(0, parts.version ?? 3);
    add.offset(1, vectors[0]);
    add.offset(2, vectors[1]);
    add.offset(3, description);
    add.offset(4, vectors[2]);
    add.offset(6, vectors[3]);
  });
  b.finish(model, parts.identifier ?? "TFL3");
  return b.asUint8Array();
}

/** Metadata with a normalization, and a label file by name. */
export function buildMetadata({
  mean,
  std,
  labels,
}: {
  mean: readonly number[];
  std: readonly number[];
  labels: string;
}) {
  const b = new Builder(256);
  const [means, stds] = [float32s(b, mean), float32s(b, std)];
  const normalization = table(b, 2, (add) => {
    add.offset(0, means);
    add.offset(1, stds);
  });
  const unit = table(b, 2, (add) => {
    add.int8(0, 1);
    add.offset(1, normalization);
  });
  const units = vectorOfOffsets(b, [unit]);
  const input = table(b, 7, (add) => add.offset(4, units));
  const name = b.createString(labels);
  const file = table(b, 4, (add) => {
    add.offset(0, name);
    add.int8(2, 2);
  });
  const files = vectorOfOffsets(b, [file]);
  const output = table(b, 7, (add) => add.offset(6, files));
  const [inputs, outputs] = [vectorOfOffsets(b, [input]), vectorOfOffsets(b, [output])];
  const graph = table(b, 5, (add) => {
    add.offset(2, inputs);
    add.offset(3, outputs);
  });
  const graphs = vectorOfOffsets(b, [graph]);
  b.finish(
    table(b, 8, (add) => add.offset(3, graphs)),
    "M001",
  );
  return b.asUint8Array();
}

function tensorOf(b: Builder, tensor: TensorParts): number {
  const shape = int32s(b, tensor.shape);
  const name = b.createString(tensor.name ?? "");
  const quantization = tensor.scale || tensor.details ? quantizationOf(b, tensor) : 0;
  const sparsity = tensor.sparse ? table(b, 3, () => undefined) : 0;
  return table(b, 7, (add) => {
    add.offset(0, shape);
    add.int8(1, tensor.type ?? FLOAT32);
    add.int32(2, tensor.buffer ?? 0);
    add.offset(3, name);
    add.offset(4, quantization);
    if (tensor.variable) add.int8(5, 1);
    add.offset(6, sparsity);
  });
}

function quantizationOf(b: Builder, { scale = [], zeroPoint = [], axis = 0, details }: TensorParts): number {
  const scales = float32s(b, scale);
  b.startVector(8, zeroPoint.length, 8);
  for (const zero of zeroPoint.toReversed()) b.addInt64(BigInt(zero));
  const zeros = b.endVector();
  return table(b, 7, (add) => {
    add.offset(2, scales);
    add.offset(3, zeros);
    if (details) add.int8(4, 1);
    add.int32(6, axis);
  });
}

function operatorOf(b: Builder, { code = 0, inputs, outputs, options }: OperatorParts): number {
  const [reads, writes] = [int32s(b, inputs), int32s(b, outputs)];
  const written = options
    ? table(b, 8, (add) => {
        for (const [slot, value] of Object.entries(options.int32 ?? {})) add.int32(Number(slot), value);
        for (const [slot, value] of Object.entries(options.int8 ?? {})) add.int8(Number(slot), value);
      })
    : 0;
  return table(b, 5, (add) => {
    add.int32(0, code);
    add.offset(1, reads);
    add.offset(2, writes);
    if (options) add.int8(3, options.kind);
    add.offset(4, written);
  });
}

interface Slots {
  int8(slot: number, value: number): void;
  int32(slot: number, value: number): void;
  int64(slot: number, value: number): void;
  /** 0 for a part that is left out. */
  offset(slot: number, value: number): void;
}

function table(b: Builder, slots: number, fill: (add: Slots) => void): number {
  b.startObject(slots);
  fill({
    int8: (slot, value) => b.addFieldInt8(slot, value, null),
    int32: (slot, value) => b.addFieldInt32(slot, value, null),
    int64: (slot, value) => b.addFieldInt64(slot, BigInt(value), null),
    offset: (slot, value) => b.addFieldOffset(slot, value, 0),
  });
  return b.endObject();
}

function vectorOfOffsets(b: Builder, offsets: readonly number[]): number {
  b.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) b.addOffset(offset);
  return b.endVector();
}

function int32s(b: Builder, values: readonly number[]): number {
  b.startVector(4, values.length, 4);
  for (const value of values.toReversed()) b.addInt32(value);
  return b.endVector();
}

function float32s(b: Builder, values: readonly number[]): number {
  b.startVector(4, values.length, 4);
  for (const value of values.toReversed()) b.addFloat32(value);
  return b.endVector();
}
