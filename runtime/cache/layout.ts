import { LichenError } from "../errors.ts";
import type { ValueName } from "../onnx/graph.ts";
import {
  bytesOf,
  ELEMENTS,
  type ElementArray,
  type ElementType,
  elementCount,
  sliceRows,
  type Tensor,
} from "../onnx/tensor.ts";

/** One frontier value of one sample. */
export interface Field {
  readonly name: ValueName;
  readonly type: ElementType;
  /** Without the batch. */
  readonly shape: readonly number[];
}

/** Where each frontier value of a sample lies in its row. */
export interface RowLayout {
  readonly fields: readonly (Field & { readonly offset: number; readonly bytes: number })[];
  readonly rowBytes: number;
}

/** Values in the order given, each at a multiple of its element's size, in every row of a file. */
export function rowLayout(fields: readonly Field[]): RowLayout {
  let end = 0;
  let widest = 1;
  const placed = fields.map((field) => {
    const element = ELEMENTS[field.type].BYTES_PER_ELEMENT;
    const offset = roundUp(end, element);
    const bytes = elementCount(field.shape) * element;
    end = offset + bytes;
    widest = Math.max(widest, element);
    return { ...field, offset, bytes };
  });
  return { fields: placed, rowBytes: roundUp(end, widest) };
}

const roundUp = (bytes: number, multiple: number): number => Math.ceil(bytes / multiple) * multiple;

/**
 * One sample of a batch as a row.
 * @param values each [n, …shape].  @param sample which of the n.
 * @throws BAD_ARGUMENT when a value is missing, or not of the layout's type and shape.
 */
export function packRow(layout: RowLayout, values: Readonly<Record<ValueName, Tensor>>, sample = 0): Uint8Array {
  const row = new Uint8Array(layout.rowBytes);
  for (const field of layout.fields) {
    const value = values[field.name];
    if (value?.type !== field.type || value.dims.slice(1).join() !== field.shape.join() || sample >= value.dims[0]!) {
      throw new LichenError("BAD_ARGUMENT", {
        at: `value ${field.name}, sample ${sample}`,
        found: value ? `${value.type}[${value.dims}]` : "nothing",
        wanted: `${field.type}[n,${field.shape}]`,
      });
    }
    row.set(bytesOf(sliceRows(value, sample, sample + 1)), field.offset);
  }
  return row;
}

/**
 * Rows as one tensor a value, as graphs want them. A layout of a single value needs no copy: its tensor then shares the bytes.
 * @param bytes whole rows, one behind the other.  @returns by name, each [n, …shape]
 * @throws BAD_ARGUMENT when the bytes are no whole rows.
 */
export function unpackRows(layout: RowLayout, bytes: Uint8Array): Record<ValueName, Tensor> {
  const { fields, rowBytes } = layout;
  const count = bytes.length / rowBytes;
  if (!Number.isInteger(count)) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "cached rows",
      found: `${bytes.length} bytes`,
      wanted: `a multiple of ${rowBytes}`,
    });
  }
  return Object.fromEntries(
    fields.map((field) => {
      const { name, type, shape } = field;
      const ArrayType = ELEMENTS[type];
      const column = columnOf(bytes, field, rowBytes, count);
      const data = new ArrayType(
        column.buffer as ArrayBuffer,
        column.byteOffset,
        count * elementCount(shape),
      ) as ElementArray;
      return [name, { type, dims: [count, ...shape], data }];
    }),
  );
}

/** One value of every row, without a gap and at an aligned address. */
function columnOf(bytes: Uint8Array, field: RowLayout["fields"][number], rowBytes: number, count: number) {
  const aligned = bytes.byteOffset % ELEMENTS[field.type].BYTES_PER_ELEMENT === 0;
  if (aligned && field.bytes === rowBytes) return bytes;
  const column = new Uint8Array(count * field.bytes);
  for (let row = 0; row < count; row++) {
    const start = row * rowBytes + field.offset;
    column.set(bytes.subarray(start, start + field.bytes), row * field.bytes);
  }
  return column;
}
