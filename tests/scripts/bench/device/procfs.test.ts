import { expect, test } from "vitest";
import { cpuSecondsOf, resident, residentOf, usage, writtenOf } from "../../../../scripts/bench/device/procfs.ts";

const STATUS = "Name:\tnode\nVmHWM:\t  200000 kB\nVmRSS:\t  105128 kB\nRssAnon:\t   31464 kB\nThreads:\t14\n";
const ROLLUP = "55d1-7ffe ---p 00000000 00:00 0 [rollup]\nRss:  105128 kB\nPss:   39600 kB\nPss_Dirty: 31000 kB\n";

test("memory is read in bytes, and Pss is not mistaken for one of its parts", () => {
  expect(residentOf(STATUS, ROLLUP)).toEqual({
    rssBytes: 105128 * 1024,
    pssBytes: 39600 * 1024,
    anonBytes: 31464 * 1024,
  });
});

test("what is written is what reached the disk, not what was taken back", () => {
  expect(writtenOf("rchar: 9\nwchar: 8\nwrite_bytes: 761856\ncancelled_write_bytes: 4096\n")).toBe(761856);
});

test("processor time is read behind a name with spaces and brackets in it", () => {
  const fields = ["S", ...Array.from({ length: 10 }, () => "1"), "86", "10", "0", "0"];
  expect(cpuSecondsOf(`4711 (node (a) b) ${fields.join(" ")}`)).toBeCloseTo(0.96, 9);
});

test("a line that is missing is named", () => {
  expect(() => residentOf("VmRSS: 1 kB\n", ROLLUP)).toThrow("RssAnon");
});

test.runIf(process.platform === "linux")("of this very process, what Linux says agrees with what Node says", () => {
  const { rssBytes, pssBytes, anonBytes } = resident(process.pid);
  expect(rssBytes / process.memoryUsage.rss()).toBeGreaterThan(0.8);
  expect(rssBytes / process.memoryUsage.rss()).toBeLessThan(1.25);
  expect(pssBytes).toBeLessThanOrEqual(rssBytes);
  expect(anonBytes).toBeLessThan(rssBytes);
  const { user, system } = process.cpuUsage();
  expect(usage(process.pid).cpuSeconds).toBeGreaterThan(0);
  expect(Math.abs(usage(process.pid).cpuSeconds - (user + system) / 1e6)).toBeLessThan(1);
});
