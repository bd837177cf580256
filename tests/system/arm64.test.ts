import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { type Comparison, compareProcessors } from "../../scripts/arm64/comparison/index.ts";

const isInstalled = existsSync(".cache/arm64/installed");

describe.skipIf(!isInstalled)("a board with the processor of a Raspberry Pi 5, emulated, beside this machine", () => {
  let folder: string;
  let found: Comparison;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lichen arm64 "));
    found = await compareProcessors(folder, ["cortex-a76"]);
  }, 1_800_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const values = (what: RegExp) => found.values.filter(({ name }) => what.test(name));
  const NONE = { count: 0, largest: 0 };

  it("is one", () => {
    expect(found.architectures).toEqual(["x64", "arm64"]);
  });

  it.each([
    ["hears and sees the same, to the bit", /: features/, 4],
    ["answers the same with the bare base, to the bit", /: logits of the base/, 4],
    ["answers the same with an adapter from elsewhere, to the bit", /: logits with x64's adapter/, 4],
  ])("%s", (_, what, atLeast) => {
    expect(values(what).length).toBeGreaterThanOrEqual(atLeast);
    for (const { name, count, different } of values(what)) {
      expect(count, name).toBeGreaterThan(0);
      expect(different, name).toEqual([NONE]);
    }
  });

  it("trains an adapter that is as good, and serves what it trained", () => {
    expect(found.adapted.length).toBe(4);
    for (const { name, before, after } of found.adapted) {
      const [here, there] = after;
      expect(there!.accuracy, name).toBeGreaterThan(before);
      // Float sums of other kernels: a few samples more or less.
      expect(Math.abs(there!.accuracy - here!.accuracy), name).toBeLessThanOrEqual(0.05);
      expect([here!.exact, there!.exact], name).toEqual([true, true]);
    }
  });
});

if (!isInstalled) {
  const required = process.env.LICHEN_REQUIRE_SYSTEM === "1";
  if (!required) console.warn("SKIPPED: the emulator of arm64 is not here (scripts/arm64/install.sh)");
  test.skipIf(!required)("the emulator of arm64 is here", () => expect(isInstalled).toBe(true));
}
