import { createHash } from "node:crypto";
import { LichenError } from "../../runtime/errors.ts";

/*
 * A blob travels as numbered blocks of one size, the last one shorter. The receiver asks for those that its bitmap lacks,
 * a window at a time; blocks may come in any order, twice, late or never. Nothing here waits or stores: whoever keeps
 * `content` and `encodeBitmap(have)` together can go on after any interruption.
 */

export const MIN_BLOCK_BYTES = 64;
export const MAX_BLOCK_BYTES = 65_536;
export const DEFAULT_BLOCK_BYTES = 4096;
export const MAX_BLOB_BYTES = 64 * 1024 * 1024;
export const MAX_BLOCKS = 65_536;

/** What is to be received. Sizes are trusted: a manifest's schema has bounded them. */
export interface BlobPlan {
  readonly sha256: string;
  readonly bytes: number;
  readonly blockBytes: number;
}

/** A blob on its way. `content` and `have` are filled in place, for a board cannot afford copies. */
export interface Reception {
  readonly plan: BlobPlan;
  /** [plan.bytes] */
  readonly content: Uint8Array;
  /** One bit a block, lowest bit first. */
  readonly have: Uint8Array;
  missing: number;
}

export const blockCount = (plan: BlobPlan): number => Math.ceil(plan.bytes / plan.blockBytes);

/** Where a block stands in the blob: `[begin, end)`. */
export function blockRange(plan: BlobPlan, index: number): [begin: number, end: number] {
  const begin = index * plan.blockBytes;
  return [begin, Math.min(begin + plan.blockBytes, plan.bytes)];
}

export function startReception(plan: BlobPlan): Reception {
  const count = blockCount(plan);
  return { plan, content: new Uint8Array(plan.bytes), have: new Uint8Array(bitmapBytes(count)), missing: count };
}

/**
 * Goes on where a saved reception stopped.
 * @param content [plan.bytes], of which only the blocks in the bitmap count.
 * @throws BAD_BLOCK when content or bitmap are not of this plan.
 */
export function resumeReception(plan: BlobPlan, content: Uint8Array, bitmap: string): Reception {
  const count = blockCount(plan);
  const have = decodeBitmap(bitmap, count);
  if (content.length !== plan.bytes) throw badBlock(plan, "content", content.length, plan.bytes);
  return { plan, content, have, missing: count - countBits(have) };
}

/** @throws BAD_BLOCK when the index or the length is not of this blob; the reception is then unchanged. */
export function acceptBlock(reception: Reception, index: number, block: Uint8Array): "new" | "duplicate" {
  const { plan, have, content } = reception;
  if (!Number.isInteger(index) || index < 0 || index >= blockCount(plan)) {
    throw badBlock(plan, `block ${index}`, `of ${blockCount(plan)} blocks`, "an index below their number");
  }
  const [begin, end] = blockRange(plan, index);
  if (block.length !== end - begin) throw badBlock(plan, `block ${index}`, block.length, end - begin);
  if (hasBit(have, index)) return "duplicate";
  content.set(block, begin);
  have[index >> 3]! |= 1 << (index & 7);
  reception.missing--;
  return "new";
}

export const hasBlock = (reception: Reception, index: number): boolean => hasBit(reception.have, index);

/** The first blocks that are missing, at most `window` of them: what to ask for next. */
export function nextBlocks(reception: Reception, window: number): number[] {
  const wanted: number[] = [];
  const count = blockCount(reception.plan);
  for (let index = 0; index < count && wanted.length < window; index++) {
    if (!hasBit(reception.have, index)) wanted.push(index);
  }
  return wanted;
}

/** @returns the whole blob.  @throws BLOB_CORRUPT when its hash is not the announced one: then every block is suspect. */
export function completeReception(reception: Reception): Uint8Array {
  const { plan, content } = reception;
  const found = sha256Of(content);
  if (reception.missing > 0 || found !== plan.sha256) {
    const lacking = reception.missing > 0 ? `${reception.missing} blocks missing` : `sha256 ${found}`;
    throw new LichenError("BLOB_CORRUPT", { found: lacking, wanted: `sha256 ${plan.sha256}` });
  }
  return content;
}

/** A block of a blob that this side holds; undefined when there is no such block. */
export function cutBlock(blob: Uint8Array, blockBytes: number, index: number): Uint8Array | undefined {
  const begin = index * blockBytes;
  return begin < blob.length ? blob.subarray(begin, begin + blockBytes) : undefined;
}

export const encodeBitmap = (have: Uint8Array): string => Buffer.from(have).toString("base64");

/** @throws BAD_BLOCK unless the text is a bitmap of exactly so many blocks. */
export function decodeBitmap(encoded: string, count: number): Uint8Array {
  const have = new Uint8Array(Buffer.from(encoded, "base64"));
  const beyond = have.length * 8 - count;
  const stray = beyond > 0 && beyond < 8 ? have[have.length - 1]! >> (8 - beyond) : 0;
  if (encodeBitmap(have) !== encoded || have.length !== bitmapBytes(count) || stray !== 0) {
    throw new LichenError("BAD_BLOCK", { at: "bitmap", found: encoded.slice(0, 40), wanted: `${count} bits` });
  }
  return have;
}

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const bitmapBytes = (count: number) => Math.ceil(count / 8);
const hasBit = (have: Uint8Array, index: number) => (have[index >> 3]! & (1 << (index & 7))) !== 0;

function countBits(have: Uint8Array): number {
  let bits = 0;
  for (let byte of have) for (; byte !== 0; byte &= byte - 1) bits++;
  return bits;
}

const badBlock = (plan: BlobPlan, at: string, found: string | number, wanted: string | number) =>
  new LichenError("BAD_BLOCK", { at: `blob ${plan.sha256.slice(0, 12)}, ${at}`, found, wanted });
