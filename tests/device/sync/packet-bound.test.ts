import fc from "fast-check";
import { expect, test } from "vitest";
import { createPacketBound } from "../../../device/sync/packet-bound.ts";
import { chunked, joined } from "../sources/stream/chunks.ts";

/** PUBLISH, QoS 0, on the topic `a`. @see MQTT 3.1.1 §3.3 */
const packet = (bytes: number) => joined(Uint8Array.of(0x30, ...lengthOf(bytes + 3), 0, 1, 97), new Uint8Array(bytes));
const lengthOf = (value: number): number[] =>
  value < 128 ? [value] : [(value & 0x7f) | 0x80, ...lengthOf(Math.floor(value / 128))];

test("packets within the bound pass, however they are cut; the first one over it does not", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(400), { maxLength: 8 }).chain((sizes) => {
        const stream = joined(...sizes.map(packet));
        return fc.tuple(fc.constant(sizes), chunked(stream));
      }),
      ([sizes, chunks]) => {
        const bound = createPacketBound(203);
        // Of a packet's rest three bytes are the topic.
        const fits = sizes.every((size) => size + 3 <= 203);
        expect(chunks.map((chunk) => bound.push(chunk)).at(-1)).toBe(fits);
      },
    ),
  );
});

test("a packet that is announced as too big is refused before it comes", () => {
  expect(createPacketBound(1000).push(packet(100_000).subarray(0, 4))).toBe(false);
  expect(createPacketBound(1000).push(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff))).toBe(false);
});
