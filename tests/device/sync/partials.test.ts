import { mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createPartials, type Partials } from "../../../device/sync/partials.ts";
import {
  acceptBlock,
  type BlobPlan,
  cutBlock,
  nextBlocks,
  sha256Of,
  startReception,
} from "../../../fleet/protocol/blocks.ts";

const blob = Uint8Array.from({ length: 300 }, (_, index) => index);
const plan: BlobPlan = { sha256: sha256Of(blob), bytes: 300, blockBytes: 64 };
let directory: string;
let partials: Partials;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lichen partials "));
  partials = createPartials(directory);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function saved(...indices: number[]): Promise<void> {
  const reception = await partials.open(plan);
  for (const index of indices) acceptBlock(reception, index, cutBlock(blob, 64, index)!);
  await partials.save(reception, indices);
}

test("blocks that were saved need not come again, wherever they stand", async () => {
  await saved(3, 1);
  await saved(4);
  const reception = await partials.open(plan);
  expect(nextBlocks(reception, 10)).toEqual([0, 2]);
  for (const index of [0, 2]) acceptBlock(reception, index, cutBlock(blob, 64, index)!);
  expect(reception.content).toEqual(blob);
});

test("a block that came after the save is not claimed by it", async () => {
  const reception = await partials.open(plan);
  acceptBlock(reception, 0, cutBlock(blob, 64, 0)!);
  const saving = partials.save(reception, [0]);
  acceptBlock(reception, 1, cutBlock(blob, 64, 1)!);
  await saving;
  expect(nextBlocks(await partials.open(plan), 10)).toEqual([1, 2, 3, 4]);
});

test("another block size starts afresh", async () => {
  await saved(0, 1);
  expect((await partials.open({ ...plan, blockBytes: 100 })).missing).toBe(3);
});

test.each([
  ["a bitmap that is no JSON", (claim: string) => writeFile(claim, "{")],
  [
    "a bitmap of other blocks",
    (claim: string) => writeFile(claim, '{"format":1,"bytes":300,"blockBytes":64,"bitmap":"////"}'),
  ],
  ["a bitmap of later years", (claim: string) => writeFile(claim, '{"format":2}')],
  ["blocks without a bitmap", (claim: string) => rm(claim)],
  ["a bitmap without blocks", (_claim: string, content: string) => rm(content)],
])("%s costs a download and nothing else", async (_name, damage) => {
  await saved(0, 1);
  await damage(join(directory, `${plan.sha256}.json`), join(directory, `${plan.sha256}.part`));
  expect(await partials.open(plan)).toEqual(startReception(plan));
});

test("blocks that were cut off show at the hash, and never crash", async () => {
  await saved(0, 4);
  await truncate(join(directory, `${plan.sha256}.part`), 10);
  expect((await partials.open(plan)).content.length).toBe(300);
});

test("only what is still offered is kept", async () => {
  await saved(0);
  const other = { ...plan, sha256: "f".repeat(64) };
  await partials.save(startReception(other), []);
  await partials.keepOnly(new Set([plan.sha256]));
  expect((await readdir(directory)).sort()).toEqual([`${plan.sha256}.json`, `${plan.sha256}.part`]);
});

test("a folder that cannot be written is an error with a code", async () => {
  await writeFile(join(directory, "file"), "");
  await expect(createPartials(join(directory, "file")).save(startReception(plan), [])).rejects.toMatchObject({
    code: "STORAGE_FAILED",
  });
});
