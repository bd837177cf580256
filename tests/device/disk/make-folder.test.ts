import { existsSync } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeFolders } from "../../../device/disk/make-folder.ts";
import { temporaryFolder } from "../fixtures.ts";

it("makes all that a path takes, at once by several too, and again without harm", async () => {
  const folder = join(await temporaryFolder(), "a", "b", "c");
  await Promise.all([makeFolders(folder), makeFolders(folder), makeFolders(join(folder, "d"))]);
  await makeFolders(folder);
  expect((await stat(join(folder, "d"))).isDirectory()).toBe(true);
});

it("says what is in the way: a file, or a place that refuses", async () => {
  const file = join(await temporaryFolder(), "file");
  await writeFile(file, "");
  await expect(makeFolders(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolders(join(file, "below"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

// Node's own recursive mkdir never came back from there.
it.runIf(existsSync("/proc/self"))(
  "comes back from a file system that says a folder is missing which is there",
  async () => {
    await expect(makeFolders("/proc/lichen/below")).rejects.toMatchObject({ code: "ENOENT" });
  },
);
