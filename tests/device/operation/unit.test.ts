import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DEVICES, type Device, SERVICE, type UnitOptions, unit } from "../../../device/operation/unit.ts";
import { temporaryFolder } from "../fixtures.ts";

const options: UnitOptions = {
  node: process.execPath,
  program: "/usr/lib/lichen/dist/device/lichend.js",
  config: "/etc/lichen/lichen.yml",
  user: "lichen",
  devices: Object.keys(DEVICES) as Device[],
  writable: [],
  readsHome: false,
  memoryHigh: "60%",
  memoryMax: "75%",
};

const isThere = existsSync("/usr/bin/systemd-analyze");

async function analyze(text: string, ...words: string[]): Promise<string> {
  const path = join(await temporaryFolder(), SERVICE);
  await writeFile(path, text);
  const { stdout, stderr } = await promisify(execFile)("systemd-analyze", [...words, path]);
  return `${stdout}${stderr}`;
}

test.skipIf(!isThere)("systemd finds nothing to say against it, awkward paths or not", async () => {
  expect(await analyze(unit(options), "verify")).toBe("");
  const awkward = { ...options, config: '/srv/my $box/100% "a".yml', writable: ["/srv/my data"], devices: [] };
  expect(await analyze(unit(awkward), "verify")).toBe("");
});

test.skipIf(!isThere)("it is exposed to at most 2.0 of 10 by systemd's own count, with all devices", async () => {
  const report = await analyze(unit(options), "security", "--offline=true", "--threshold=20");
  expect(report).toContain("Overall exposure level");
});

test("without sources that record, there are no devices; what lies at home can be read, and not written", () => {
  expect(unit({ ...options, devices: [] })).toContain("PrivateDevices=yes");
  expect(unit({ ...options, devices: ["audio"] })).toMatch(
    /^SupplementaryGroups=audio\nDevicePolicy=closed\nDeviceAllow=char-alsa rw$/m,
  );
  expect(unit({ ...options, readsHome: true })).toContain("ProtectHome=read-only");
});

test("words reach the daemon as they are: spaces, quotes, percent and dollar signs", () => {
  const text = unit({ ...options, node: "/usr/bin/node", config: '/a b/100% $x "y".yml', writable: ["/c d"] });
  expect(text).toContain('--config "/a b/100%% $$x \\"y\\".yml"');
  expect(text).toContain('ReadWritePaths="/c d"');
});
