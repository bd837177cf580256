import { link, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { openRandomAccess } from "../../../device/disk/random-access.ts";
import { createErase, ERASING } from "../../../device/samples/erase.ts";
import { temporaryFolder } from "../fixtures.ts";

/** A file with a second name in another folder, under which its blocks can still be read when it is gone. */
async function spied(directory: string, name: string): Promise<string> {
  const spy = join(directory, "spies", name);
  await mkdir(join(directory, "spies"), { recursive: true });
  await writeFile(join(directory, name), `what was said ${name}`);
  await link(join(directory, name), spy);
  return spy;
}

test.each([
  ["a file", ["x"], "x"],
  ["one whose erasure was cut off", [`x${ERASING}`], "x"],
  ["the same, told by the name it had then", [`x${ERASING}`], `x${ERASING}`],
  ["one that came again after its erasure was cut off", ["x", `x${ERASING}`], "x"],
  ["one that never was", [], "x"],
])("%s is overwritten, then gone", async (_, files, erased) => {
  const directory = await temporaryFolder();
  const spies = await Promise.all(files.map((name) => spied(directory, name)));
  await createErase(nodeDisk, openRandomAccess)(join(directory, erased));
  expect(await readdir(directory)).toEqual(files.length === 0 ? [] : ["spies"]);
  for (const spy of spies) expect(await readFile(spy, "utf8")).toMatch(/^\0+$/);
});
