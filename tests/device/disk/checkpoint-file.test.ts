import { join } from "node:path";
import { expect, test } from "vitest";
import { checkpointFile } from "../../../device/disk/checkpoint-file.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { dyingDisk, temporaryFolder } from "../fixtures.ts";

async function open(everyMs = 0, disk = nodeDisk) {
  const path = join(await temporaryFolder(), "checkpoint.safetensors");
  let nowMs = 0;
  const file = checkpointFile({ disk, path, everyMs, clockMs: () => nowMs });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { file, pass, found: async () => [...((await file.load()) ?? [])] };
}

test("what was saved is loaded until the run has ended", async () => {
  const { file, found } = await open();
  expect(await file.load()).toBeNull();
  await file.save(Uint8Array.of(1));
  await file.save(Uint8Array.of(2));
  expect(await found()).toEqual([2]);
  await file.clear();
  expect(await file.load()).toBeNull();
});

test("epochs that follow each other quickly write once in a while", async () => {
  const { file, pass, found } = await open(1000);
  await file.save(Uint8Array.of(1));
  expect(await file.load()).toBeNull();
  pass(1000);
  await file.save(Uint8Array.of(2));
  pass(999);
  await file.save(Uint8Array.of(3));
  expect(await found()).toEqual([2]);
});

test("whoever stops on purpose keeps the last one, if the run has not ended", async () => {
  const { file, found } = await open(1000);
  await file.flush();
  expect(await file.load()).toBeNull();
  await file.save(Uint8Array.of(1));
  await file.save(Uint8Array.of(2));
  await file.flush();
  expect(await found()).toEqual([2]);
  await file.save(Uint8Array.of(3));
  await file.clear();
  await file.flush();
  expect(await file.load()).toBeNull();
});

test("a disk that takes nothing does not stop the training", async () => {
  const { disk } = dyingDisk(nodeDisk, 0);
  const { file } = await open(0, disk);
  await file.save(Uint8Array.of(1));
});
