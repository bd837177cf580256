import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  acceptBlock,
  type BlobPlan,
  blockCount,
  completeReception,
  cutBlock,
  decodeBitmap,
  encodeBitmap,
  nextBlocks,
  resumeReception,
  sha256Of,
  startReception,
} from "../../../fleet/protocol/blocks.ts";

const planOf = (blob: Uint8Array, blockBytes: number): BlobPlan => ({
  sha256: sha256Of(blob),
  bytes: blob.length,
  blockBytes,
});

const transfer = fc.record({
  blob: fc.uint8Array({ minLength: 1, maxLength: 2000 }),
  blockBytes: fc.integer({ min: 1, max: 300 }),
  window: fc.integer({ min: 1, max: 16 }),
  /** What becomes of each block on its way. */
  fate: fc.infiniteStream(fc.constantFrom("arrives", "arrives", "lost", "twice", "late", "interrupted")),
});

describe("a reception", () => {
  test("ends with the same bytes after any loss, delay, duplication, disorder and interruption", () => {
    fc.assert(
      fc.property(transfer, ({ blob, blockBytes, window, fate }) => {
        const plan = planOf(blob, blockBytes);
        let reception = startReception(plan);
        const late: number[] = [];
        const arrive = (index: number) => acceptBlock(reception, index, cutBlock(blob, blockBytes, index)!);
        for (let rounds = 0; reception.missing > 0 && rounds < 500; rounds++) {
          for (const index of nextBlocks(reception, window).reverse()) {
            const { value } = fate.next();
            if (value === "lost") continue;
            if (value === "late") late.push(index);
            else arrive(index);
            if (value === "twice") expect(arrive(index)).toBe("duplicate");
            if (value === "interrupted") {
              reception = resumeReception(plan, reception.content.slice(), encodeBitmap(reception.have));
            }
          }
          for (const index of late.splice(0, rounds % 3)) arrive(index);
        }
        expect(completeReception(reception)).toEqual(blob);
      }),
    );
  });

  test("never holds more than the manifest announced, and never asks for what it has", () => {
    fc.assert(
      fc.property(transfer, fc.array(fc.nat(300)), ({ blob, blockBytes, window }, indices) => {
        const plan = planOf(blob, blockBytes);
        const reception = startReception(plan);
        for (const index of indices) {
          const block = cutBlock(blob, blockBytes, index);
          if (block === undefined) expect(() => acceptBlock(reception, index, new Uint8Array(1))).toThrow(/^BAD_BLOCK/);
          else acceptBlock(reception, index, block);
        }
        const had = new Set(indices.filter((index) => index < blockCount(plan)));
        expect(reception.content.length).toBe(blob.length);
        expect(reception.missing).toBe(blockCount(plan) - had.size);
        expect(nextBlocks(reception, window)).toHaveLength(Math.min(window, reception.missing));
        expect(nextBlocks(reception, window).filter((index) => had.has(index))).toEqual([]);
      }),
    );
  });

  test("is not changed by a block of a wrong length or number", () => {
    const blob = new Uint8Array(150).fill(7);
    const reception = startReception(planOf(blob, 64));
    for (const [index, length] of [
      [0, 63],
      [0, 65],
      [2, 64],
      [3, 64],
      [-1, 64],
      [0.5, 64],
    ] as const) {
      expect(() => acceptBlock(reception, index, new Uint8Array(length).fill(9))).toThrow(/^BAD_BLOCK/);
    }
    expect(reception).toEqual(startReception(planOf(blob, 64)));
  });

  test("of other bytes than announced is refused at the end", () => {
    const blob = new Uint8Array(100).fill(7);
    const reception = startReception(planOf(blob, 64));
    acceptBlock(reception, 0, new Uint8Array(64).fill(8));
    acceptBlock(reception, 1, blob.subarray(64));
    expect(() => completeReception(reception)).toThrow(/^BLOB_CORRUPT/);
  });

  test("that is not whole is not complete, even when the bytes would fit by chance", () => {
    const reception = startReception(planOf(new Uint8Array(100), 64));
    expect(() => completeReception(reception)).toThrow(/^BLOB_CORRUPT: .*2 blocks missing/);
  });
});

describe("a bitmap", () => {
  test("comes back as it was saved", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (bits) => {
        const have = new Uint8Array(Math.ceil(bits.length / 8));
        for (const [index, bit] of bits.entries()) if (bit) have[index >> 3]! |= 1 << (index & 7);
        expect(decodeBitmap(encodeBitmap(have), bits.length)).toEqual(have);
      }),
    );
  });

  test("of any other text or length is refused", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), fc.integer({ min: 1, max: 70 }), (text, count) => {
        try {
          expect(encodeBitmap(decodeBitmap(text, count))).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_BLOCK" });
        }
      }),
    );
    expect(() => decodeBitmap("/w==", 7)).toThrow(/^BAD_BLOCK/);
    expect(decodeBitmap("fw==", 7)).toEqual(new Uint8Array([0x7f]));
  });

  test("of another plan does not resume", () => {
    const plan = planOf(new Uint8Array(100), 64);
    expect(() => resumeReception(plan, new Uint8Array(99), "AA==")).toThrow(/^BAD_BLOCK/);
    expect(() => resumeReception(plan, new Uint8Array(100), "AAAA")).toThrow(/^BAD_BLOCK/);
  });
});
