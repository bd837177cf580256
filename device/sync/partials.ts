import { open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import {
  type BlobPlan,
  blockRange,
  encodeBitmap,
  type Reception,
  resumeReception,
  startReception,
} from "../../fleet/protocol/blocks.ts";
import { nodeDisk } from "../disk/disk.ts";
import { storageFailed, writeDurably } from "../disk/durable.ts";
import { makeFolders } from "../disk/make-folder.ts";

/*
 * Two files a blob: `<sha256>.part` holds the blocks at their places, `<sha256>.json` the bitmap. The blocks are forced onto the
 * medium before the bitmap that claims them, so a power cut costs at most the blocks of one window. A claim that is wrong all
 * the same (a worn card) shows at the final hash.
 */

/** Downloads that are not whole yet, kept so that an interruption of any kind costs no block twice. */
export interface Partials {
  /** What is there of this blob, or an empty reception. Damage is dropped: it costs a download, not data. */
  open(plan: BlobPlan): Promise<Reception>;
  /** @param fresh indices of blocks since the last save.  @throws STORAGE_FAILED */
  save(reception: Reception, fresh: readonly number[]): Promise<void>;
  remove(sha256: string): Promise<void>;
  /** Leaves only the blobs that are named: nobody will ever ask for the others again. */
  keepOnly(sha256s: ReadonlySet<string>): Promise<void>;
}

const claimSchema = z.strictObject({
  format: z.literal(1),
  bytes: z.int().positive(),
  blockBytes: z.int().positive(),
  bitmap: z.string(),
});

export function createPartials(directory: string): Partials {
  const contentPath = (sha256: string) => join(directory, `${sha256}.part`);
  const claimPath = (sha256: string) => join(directory, `${sha256}.json`);

  const remove = async (sha256: string) => {
    // The claim goes first: content without a claim is nothing, a claim without content would be a lie.
    await rm(claimPath(sha256), { force: true });
    await rm(contentPath(sha256), { force: true });
  };

  return {
    async open(plan) {
      try {
        const claim = claimSchema.parse(JSON.parse(await readFile(claimPath(plan.sha256), "utf8")));
        const content = await readFile(contentPath(plan.sha256));
        // Blocks beyond the last one saved have not been written yet: the file is shorter than the blob.
        const whole = new Uint8Array(plan.bytes);
        whole.set(content.subarray(0, plan.bytes));
        if (claim.bytes === plan.bytes && claim.blockBytes === plan.blockBytes) {
          return resumeReception(plan, whole, claim.bitmap);
        }
      } catch {
        // Nothing there, or nothing of use.
      }
      await remove(plan.sha256);
      return startReception(plan);
    },
    async save({ plan, content, have }, fresh) {
      // Taken now, for blocks go on arriving while the disk works; these would be claimed before they are written.
      const bitmap = encodeBitmap(have);
      try {
        await makeFolders(directory);
        const handle = await open(contentPath(plan.sha256), "a+").then(async (created) => {
          await created.close();
          return open(contentPath(plan.sha256), "r+");
        });
        try {
          for (const index of fresh) {
            const [begin, end] = blockRange(plan, index);
            await handle.write(content, begin, end - begin, begin);
          }
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (cause) {
        throw storageFailed(contentPath(plan.sha256), cause);
      }
      const claim = { format: 1, bytes: plan.bytes, blockBytes: plan.blockBytes, bitmap };
      await writeDurably(nodeDisk, claimPath(plan.sha256), new TextEncoder().encode(JSON.stringify(claim)));
    },
    remove,
    async keepOnly(sha256s) {
      for (const name of await readdir(directory).catch(() => [])) {
        const [sha256] = name.split(".");
        if (sha256 === undefined || !sha256s.has(sha256)) await rm(join(directory, name), { force: true });
      }
    },
  };
}
