import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeAdapter } from "../../../runtime/adapter/adapter.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { float32, int32, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";

const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const anyTensor: fc.Arbitrary<Tensor> = fc.oneof(
  fc.array(finite).map((values) => float32([values.length], values)),
  fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 2, maxLength: 2 }).map((values) => int32([1, 2], values)),
  fc.uint8Array().map((values) => tensor("uint8", [values.length, 1], new Uint8Array(values))),
);
const names = fc.string({ minLength: 1 }).filter((name) => !["__metadata__", "__proto__"].includes(name));

describe("safetensors", () => {
  it("read back as they were written, in the same bytes whatever the order", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(names, anyTensor), { selector: ([name]) => name }),
        fc.dictionary(names, fc.string()),
        (entries, metadata) => {
          const bytes = encodeSafetensors(new Map(entries), metadata);
          const back = decodeSafetensors(bytes, "test");
          expect(back.tensors).toEqual(new Map(entries));
          expect({ ...back.metadata }).toEqual({ ...metadata });
          expect(encodeSafetensors(new Map(entries.toReversed()), metadata)).toEqual(bytes);
        },
      ),
    );
  });

  it("refuse anything else with a code", () => {
    const whole = encodeSafetensors(new Map([["w", float32([3], [1, 2, 3])]]), { a: "b" });
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSafetensors(whole.slice(0, length), "cut")).toThrow(/ADAPTER_CORRUPT/);
    }
    expect(() => decodeSafetensors(Uint8Array.of(...whole, 0), "longer")).toThrow(/ADAPTER_CORRUPT/);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeSafetensors(new Uint8Array(bytes), "random");
        } catch (error) {
          expect(error).toBeInstanceOf(LichenError);
        }
      }),
    );
  });

  it("do not let a header claim more than there is, or the same bytes twice", () => {
    const forged = (header: string, data: number) => {
      const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
      const bytes = new Uint8Array(8 + text.length + data);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
      bytes.set(text, 8);
      return bytes;
    };
    const entry = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
      dtype: "F32",
      shape,
      data_offsets: [begin, end],
    });
    for (const tensors of [
      { a: entry(0, 8), b: entry(4, 12) },
      { a: entry(4, 12) },
      { a: entry(0, 400) },
      { a: entry(0, 12, [2]) },
      { a: entry(0, 12, [-3]) },
    ]) {
      expect(() => decodeSafetensors(forged(JSON.stringify(tensors), 12), "forged")).toThrow(/ADAPTER_CORRUPT/);
    }
    const huge = new Uint8Array(16).fill(0xff);
    expect(() => decodeSafetensors(huge, "huge")).toThrow(/ADAPTER_CORRUPT/);
  });
});

describe("an adapter file", () => {
  it("is refused without a description, and with numbers that are none", () => {
    expect(() => decodeAdapter(encodeSafetensors(new Map(), {}), "bare")).toThrow(/ADAPTER_CORRUPT/);
    expect(() => decodeAdapter(encodeSafetensors(new Map(), { lichen: "{" }), "broken")).toThrow(/ADAPTER_CORRUPT/);
  });
});
