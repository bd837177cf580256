import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it, test } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { ownUsage, parseCpuSeconds, parsePeak, parseWritten } from "../../../device/governor/process-usage.ts";
import { createResourceMeter, resourcesSchema } from "../../../device/governor/resources.ts";
import { nodeSystem } from "../../../device/governor/system.ts";
import { testClock } from "../clock.ts";
import { NO_BOARD, type Tree, treeSystem } from "./systems.ts";

const MiB = 2 ** 20;

const processFiles = (pid: number, cpuSeconds: number, peakMiB: number, written: number): Tree["files"] => ({
  [`proc/${pid}/stat`]: `${pid} (node) S ${"1 ".repeat(10)}${cpuSeconds * 90} ${cpuSeconds * 10} ${"0 ".repeat(37)}\n`,
  [`proc/${pid}/status`]: `Name:\tnode\nVmPeak:\t 999999 kB\nVmHWM:\t  ${peakMiB * 1024} kB\nVmRSS:\t 1 kB\n`,
  [`proc/${pid}/io`]: `rchar: 1\nwchar: 99999\nread_bytes: 0\nwrite_bytes: ${written}\ncancelled_write_bytes: 1000\n`,
});

/** A round on a board whose files change. */
function round() {
  let tree = NO_BOARD;
  const clock = testClock();
  const meter = createResourceMeter({ system: treeSystem(() => tree), clock, wattsPerCore: 2, everyMs: 1000 });
  return {
    meter,
    clock,
    show(files: Tree["files"]) {
      tree = { files };
    },
    /** Lets a second pass, and what was begun by it come to its end. */
    async second() {
      clock.pass(1000);
      await new Promise(setImmediate);
    },
  };
}

it("adds up the processes of a round, without its pauses, and takes the highest peak", async () => {
  const { meter, clock, show, second } = round();
  show(processFiles(7, 0, 40, 1000));
  meter.began(7);
  await second();
  show(processFiles(7, 3, 90, 11_000));
  await second();
  await meter.ended();
  clock.pass(60_000);
  show(processFiles(8, 2, 70, 6000));
  meter.began(8);
  await second();
  await meter.ended();
  expect(meter.taken()).toEqual({
    wallSeconds: 3,
    cpuSeconds: 5,
    peakMemoryBytes: 90 * MiB,
    writtenBytes: 15_000,
    energy: { joules: 10, source: "estimate" },
  });
});

it("keeps the last that was seen of a process that was killed", async () => {
  const { meter, show, second } = round();
  show(processFiles(7, 3, 90, 11_000));
  meter.began(7);
  await second();
  show({});
  await second();
  await meter.ended();
  expect(meter.taken()).toMatchObject({ cpuSeconds: 3, peakMemoryBytes: 90 * MiB, writtenBytes: 10_000 });
});

it("believes a process that says it has taken more than was seen", async () => {
  const { meter, show } = round();
  show(processFiles(7, 3, 90, 11_000));
  meter.began(7);
  await meter.ended({ cpuSeconds: 4.5, peakMemoryBytes: 80 * MiB, writtenBytes: null });
  expect(meter.taken()).toMatchObject({ cpuSeconds: 4.5, peakMemoryBytes: 90 * MiB, writtenBytes: 10_000 });
});

it("measures energy where it can, and says so", async () => {
  const { meter, show, second } = round();
  const used = (microjoules: number) => ({
    ...processFiles(7, 3, 90, 0),
    "sys/class/powercap/intel-rapl:0/name": "package-0",
    "sys/class/powercap/intel-rapl:0/energy_uj": `${microjoules}`,
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "1000000000",
  });
  show(used(5_000_000));
  meter.began(7);
  await second();
  show(used(45_000_000));
  await meter.ended();
  expect(meter.taken().energy).toEqual({ joules: 40, source: "rapl" });
});

it("tells how far it is while the round runs, and looks no more once it is over", async () => {
  const { meter, show, second } = round();
  show(processFiles(7, 3, 90, 1000));
  meter.began(7);
  await second();
  expect(meter.taken()).toMatchObject({ wallSeconds: 1, cpuSeconds: 3 });
  await meter.ended();
  await meter.ended({ cpuSeconds: 99, peakMemoryBytes: null, writtenBytes: null });
  show(processFiles(7, 50, 900, 1_000_000));
  for (let passed = 0; passed < 3; passed++) await second();
  expect(meter.taken()).toMatchObject({ wallSeconds: 1, cpuSeconds: 3, peakMemoryBytes: 90 * MiB });
});

it("knows the time alone where the board tells nothing", async () => {
  const { meter, second } = round();
  meter.began(7);
  await second();
  await meter.ended();
  const taken = { wallSeconds: 1, cpuSeconds: null, peakMemoryBytes: null, writtenBytes: null, energy: null };
  expect(resourcesSchema.parse(meter.taken())).toEqual(taken);
});

it.skipIf(process.platform !== "linux")("sees what a real process takes, which says the same of itself", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lichen-usage-"));
  const script = join(folder, "busy.mjs");
  await writeFile(
    script,
    `const held = Buffer.alloc(${64 * MiB}, 1);
     const usage = () => process.cpuUsage();
     while (usage().user + usage().system < 400_000);
     process.send({ cpuSeconds: (usage().user + usage().system) / 1e6, held: held.length });
     process.on("message", () => process.exit());`,
  );
  const meter = createResourceMeter({ system: nodeSystem(), clock: systemClock, wattsPerCore: 2, everyMs: 20 });
  const child = fork(script, { execArgv: [] });
  meter.began(child.pid!);
  const [told] = (await once(child, "message")) as [{ cpuSeconds: number }];
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.send("end");
  await once(child, "exit");
  await meter.ended();
  const { cpuSeconds, peakMemoryBytes, wallSeconds } = meter.taken();
  // The kernel's account is in hundredths, and goes on while the process waits and ends.
  expect(cpuSeconds).toBeGreaterThan(told.cpuSeconds - 0.05);
  expect(cpuSeconds).toBeLessThan(told.cpuSeconds + 0.3);
  expect(peakMemoryBytes).toBeGreaterThan(64 * MiB);
  expect(wallSeconds).toBeGreaterThan(0.4);
  await rm(folder, { recursive: true });
});

it.skipIf(process.platform !== "linux")("tells what this process has taken", async () => {
  const { cpuSeconds, peakMemoryBytes } = await ownUsage(nodeSystem());
  expect(cpuSeconds).toBeGreaterThan(0.05);
  expect(peakMemoryBytes).toBeGreaterThan(process.memoryUsage.rss() / 2);
});

/** What the name of a process may hold that a parser could trip over. */
const oddUnit = fc.constantFrom("a", "1", " ", "(", ")", "\n", "\t", "é");

test("a process may have any name", () => {
  fc.assert(
    fc.property(fc.string({ unit: oddUnit }), fc.nat(1e9), fc.nat(1e9), (name, user, system) => {
      const text = `7 (${name}) R 1 2 3 4 5 6 7 8 9 10 ${user} ${system} 0 0 20 0\n`;
      expect(parseCpuSeconds(text)).toBe((user + system) / 100);
    }),
  );
});

test("whatever the kernel writes, nothing throws, and numbers are not negative", () => {
  const odd = fc.oneof(
    fc.string(),
    fc.integer().map((value) => `write_bytes: ${value}\ncancelled_write_bytes: ${-value}`),
    fc.integer().map((value) => `VmHWM: ${value} kB`),
    fc.array(fc.integer().map(String)).map((fields) => `1 (a) ${fields.join(" ")}`),
  );
  fc.assert(
    fc.property(odd, (text) => {
      for (const parse of [parseCpuSeconds, parsePeak, parseWritten]) {
        const value = parse(text);
        expect(value === null || (value >= 0 && Number.isFinite(value))).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});
