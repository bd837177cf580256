import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as z from "zod";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { stateFile } from "../../../device/disk/state-file.ts";
import { atEveryStep, dyingDisk, temporaryFolder } from "../fixtures.ts";

const schema = z.strictObject({ count: z.int() });
const open = (folder: string, disk = nodeDisk) => stateFile(disk, join(folder, "state.json"), schema, { count: 0 });

test("what was saved is loaded, and before the first save the fresh value", async () => {
  const folder = await temporaryFolder();
  expect(await open(folder).load()).toEqual({ value: { count: 0 }, damage: [] });
  await open(folder).save({ count: 1 });
  expect(await open(folder).load()).toEqual({ value: { count: 1 }, damage: [] });
});

test("a damaged file is told, kept aside, and costs one step", async () => {
  const folder = await temporaryFolder();
  const file = open(folder);
  await file.save({ count: 1 });
  await file.save({ count: 2 });
  await writeFile(join(folder, "state.json"), '{"count": 2');
  const { value, damage } = await open(folder).load();
  expect(value).toEqual({ count: 1 });
  expect(damage).toMatchObject([{ code: "STATE_CORRUPT" }]);
  expect(await readFile(join(folder, "state.json.damaged"), "utf8")).toBe('{"count": 2');
});

test("any bytes in both files are damage that is told, never an exception and never taken for a value", async () => {
  const folder = await temporaryFolder();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), async (bytes) => {
      await writeFile(join(folder, "state.json"), bytes);
      await writeFile(join(folder, "state.previous.json"), bytes);
      const { value, damage } = await open(folder).load();
      expect(value).toEqual({ count: 0 });
      expect(damage).toHaveLength(2);
    }),
    { numRuns: 50 },
  );
});

test("whatever step the power goes at, the old value or the new one is there, undamaged", async () => {
  await atEveryStep(async (step) => {
    const folder = await temporaryFolder();
    await open(folder).save({ count: 1 });
    const { disk, died } = dyingDisk(nodeDisk, step);
    const file = open(folder, disk);
    await file.load();
    const saved = await file.save({ count: 2 }).then(
      () => true,
      (error) => {
        expect(error).toMatchObject({ code: "STORAGE_FAILED" });
        return false;
      },
    );
    const { value, damage } = await open(folder).load();
    expect(damage).toEqual([]);
    expect(saved ? [2] : [1, 2]).toContain(value.count);
    return died();
  });
});
