import fc from "fast-check";
import { expect, test } from "vitest";
import { type Field, packRow, rowLayout, unpackRows } from "../../../runtime/cache/index.ts";
import { ELEMENTS, elementCount, float32, type Tensor, tensorFromBytes } from "../../../runtime/onnx/tensor.ts";

const fields: fc.Arbitrary<Field[]> = fc
  .array(
    fc.record({
      type: fc.constantFrom("float32", "int8", "uint8", "int32", "int64", "float64", "int16"),
      shape: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((list) => list.map((field, at) => ({ name: `value ${at}`, ...field })));

const values = (list: readonly Field[], count: number): Record<string, Tensor> =>
  Object.fromEntries(
    list.map(({ name, type, shape }, field) => {
      const dims = [count, ...shape];
      const bytes = new Uint8Array(elementCount(dims) * ELEMENTS[type].BYTES_PER_ELEMENT);
      // Small exponents only: NaN would not compare as equal.
      return [
        name,
        tensorFromBytes(
          type,
          dims,
          bytes.map((_, at) => (at * 7 + field * 31) % 60),
        ),
      ];
    }),
  );

test("what is packed sample by sample comes back whole, each value in one piece", () => {
  fc.assert(
    fc.property(fields, fc.nat(5), (list, count) => {
      const layout = rowLayout(list);
      const given = values(list, count);
      const rows = Array.from({ length: count }, (_, sample) => packRow(layout, given, sample));
      const found = unpackRows(layout, new Uint8Array(Buffer.concat(rows)));
      expect(found).toEqual(given);
    }),
  );
});

test("every value lies at a multiple of its element's size, in every row, and none upon another", () => {
  fc.assert(
    fc.property(fields, (list) => {
      const { fields: placed, rowBytes } = rowLayout(list);
      let end = 0;
      for (const { type, offset, bytes } of placed) {
        const element = ELEMENTS[type].BYTES_PER_ELEMENT;
        expect([offset % element, rowBytes % element]).toEqual([0, 0]);
        expect(offset).toBeGreaterThanOrEqual(end);
        end = offset + bytes;
      }
      expect(rowBytes).toBeGreaterThanOrEqual(end);
    }),
  );
});

test("rows of a single value become a tensor without a copy, unless the bytes lie askew", () => {
  const layout = rowLayout([{ name: "x", type: "float32", shape: [2] }]);
  const buffer = new ArrayBuffer(32);
  const straight = new Uint8Array(buffer, 4, 16);
  straight.set(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
  const { x } = unpackRows(layout, straight);
  expect(x).toEqual(float32([2, 2], [1, 2, 3, 4]));
  expect(x!.data.buffer).toBe(buffer);
  const askew = new Uint8Array(17);
  askew.set(straight, 1);
  expect(unpackRows(layout, askew.subarray(1)).x).toEqual(x);
});

test.each([
  ["a value that is missing", {}, 0],
  ["another type", { x: tensorFromBytes("int8", [1, 2], new Uint8Array(2)) }, 0],
  ["another shape", { x: float32([2, 1], [0, 0]) }, 0],
  ["a sample beyond the batch", { x: float32([1, 2], [0, 0]) }, 1],
])("%s is refused with the value's name", (_, given, sample) => {
  const layout = rowLayout([{ name: "x", type: "float32", shape: [2] }]);
  expect(() => packRow(layout, given as Record<string, Tensor>, sample)).toThrow(/BAD_ARGUMENT.*value x/);
});

test("a part of a row is refused", () => {
  const layout = rowLayout([{ name: "x", type: "float32", shape: [2] }]);
  expect(() => unpackRows(layout, new Uint8Array(12))).toThrow(/BAD_ARGUMENT/);
});
