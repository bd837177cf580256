import { PassThrough } from "node:stream";
import { describe, expect, it, test } from "vitest";
import { readable } from "../../../device/cli/commands/doctor.ts";
import { brokersOf } from "../../../device/cli/doctor/brokers.ts";
import type { BrokerFacts, DoctorFacts } from "../../../device/cli/doctor/facts.ts";
import { type CheckName, type Finding, judge } from "../../../device/cli/doctor/judge.ts";
import { flashFacts, mountOf } from "../../../device/cli/doctor/probe.ts";
import { parseConfig } from "../../../device/config/load.ts";
import { parseWritten } from "../../../device/governor/process-usage.ts";
import { treeSystem } from "../governor/systems.ts";
import { VIEW } from "./views.ts";

const NOW = Date.UTC(2026, 10, 24);
const DAY = 86_400_000;

const WELL: DoctorFacts = {
  config: { file: "/etc/lichen/lichen.yml", isNamed: false, mistakes: [] },
  daemon: { value: VIEW.status },
  board: VIEW.board,
  disk: { folder: "/var/lib/lichen", exists: true, fileSystem: "ext4", isReadOnly: false, freeInodes: 1e6 },
  flash: [],
  brokers: [],
  models: [],
  firmware: { isThere: false, answers: false },
  wantedBytes: 160e6,
  hasHours: false,
};

const trouble = { code: "X", message: "X: it is so" };
const board = (changes: Partial<DoctorFacts["board"]>): Partial<DoctorFacts> => ({
  board: { ...VIEW.board, ...changes },
});
const certified = (validToMs: number, distrust: string | null = null): Partial<DoctorFacts> => ({
  brokers: [{ ...BROKER, certificate: { value: { subject: "broker", validFromMs: NOW - DAY, validToMs, distrust } } }],
});
const BROKER: BrokerFacts = {
  address: "mqtts://b",
  uses: ["fleet"],
  trouble: null,
  milliseconds: 12,
  certificate: null,
};
const MODEL = {
  name: "main",
  folder: "/m",
  sha256: { value: "a".repeat(64) },
  servedSha256: "a".repeat(64),
  inferenceMs: { value: 4 },
};
const DISK = WELL.disk!;

test("of a board that is well, every check says so", () => {
  const findings = judge({ ...WELL, ...certified(NOW + 90 * DAY), models: [MODEL] }, NOW);
  expect(findings.map(({ level, todo }) => [level, todo])).toEqual(findings.map(() => ["ok", undefined]));
  expect(new Set(findings.map(({ check }) => check)).size).toBe(11);
});

test.each<[CheckName, Finding["level"], string, Partial<DoctorFacts>]>([
  ["daemon", "problem", "a daemon that does not answer", { daemon: { trouble } }],
  [
    "daemon",
    "warning",
    "the same, before anything is started",
    { daemon: { trouble }, config: { ...WELL.config, isNamed: true } },
  ],
  ["daemon", "problem", "what the daemon got over", { daemon: { value: { ...VIEW.status, problems: [trouble] } } }],
  ["config", "problem", "a mistake in the file", { config: { ...WELL.config, mistakes: [trouble] } }],
  ["config", "warning", "no file at all", { config: { ...WELL.config, file: null } }],
  [
    "clock",
    "warning",
    "a clock that nobody vouches for",
    board({ clock: { now: "2026-11-24T00:00:00Z", trusted: false } }),
  ],
  ["disk", "problem", "a card gone read-only", { disk: { ...DISK, isReadOnly: true } }],
  [
    "disk",
    "problem",
    "a folder of somebody else",
    board({ disk: { freeBytes: 1e9, totalBytes: 2e9, writable: false } }),
  ],
  ["disk", "problem", "hardly any space", board({ disk: { freeBytes: 5e7, totalBytes: 2e9, writable: true } })],
  ["disk", "warning", "little space", board({ disk: { freeBytes: 3e8, totalBytes: 2e9, writable: true } })],
  ["disk", "warning", "a disk in memory", { disk: { ...DISK, fileSystem: "tmpfs" } }],
  ["disk", "problem", "no inodes", { disk: { ...DISK, freeInodes: 12 } }],
  [
    "wear",
    "warning",
    "200 MB written an hour",
    board({ process: { ...VIEW.board.process, uptimeSeconds: 7200, writtenBytes: 4e8 } }),
  ],
  ["wear", "problem", "an eMMC at its end", { flash: [{ name: "mmcblk0", usedTenths: 3, endOfLife: 3 }] }],
  ["wear", "problem", "an eMMC beyond its life", { flash: [{ name: "mmcblk0", usedTenths: 11, endOfLife: 1 }] }],
  ["wear", "warning", "an eMMC that is old", { flash: [{ name: "mmcblk0", usedTenths: 9, endOfLife: 1 }] }],
  [
    "broker",
    "problem",
    "a broker that refuses",
    { brokers: [{ ...BROKER, trouble: { code: "BROKER_REFUSED", message: "no" } }] },
  ],
  ["certificate", "problem", "a certificate that has expired", certified(NOW - 1)],
  ["certificate", "warning", "one that expires soon", certified(NOW + 5 * DAY)],
  ["certificate", "problem", "one that nobody vouches for", certified(NOW + 90 * DAY, "SELF_SIGNED_CERT_IN_CHAIN")],
  ["model", "problem", "a damaged package", { models: [{ ...MODEL, sha256: { trouble } }] }],
  ["model", "problem", "a model that does not run", { models: [{ ...MODEL, inferenceMs: { trouble } }] }],
  ["model", "warning", "a model that was replaced", { models: [{ ...MODEL, servedSha256: "b".repeat(64) }] }],
  ["memory", "warning", "too little memory for training", board({ availableBytes: 5e7 })],
  ["kernel", "warning", "a kernel without PSI", board({ pressure: { cpu: null, memory: null, io: null } })],
  ["sensors", "warning", "no thermometer", board({ temperatureCelsius: null })],
  ["sensors", "warning", "a firmware that must not be asked", { firmware: { isThere: true, answers: false } }],
  ["sensors", "problem", "too little voltage", board({ throttling: { underVoltage: true, slowed: false } })],
])("%s: a %s for %s, with what to do", (check, level, _, changes) => {
  const worst = judge({ ...WELL, ...changes }, NOW).filter((finding) => finding.level !== "ok");
  expect(worst).toMatchObject([{ check, level, todo: expect.stringMatching(/\S{3}/) }]);
});

test("a clock at 1970 is a problem of its own", () => {
  expect(judge(WELL, 0).find(({ check }) => check === "clock")).toMatchObject({ level: "problem" });
});

test("what is shown fits 80 columns, whatever was found, and has no escape without a terminal that takes them", () => {
  const findings: Finding[] = [
    { check: "certificate", level: "problem", found: `${"x".repeat(200)} \u001b[2J`, todo: "y ".repeat(90) },
  ];
  const out = Object.assign(new PassThrough(), { isTTY: true });
  const text = readable(findings, { out, notes: new PassThrough(), env: { NO_COLOR: "1" } });
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
  expect(text.replaceAll(/\s/g, "")).toContain("x".repeat(200));
  expect(readable(findings, { out, notes: new PassThrough(), env: { TERM: "xterm" } })).toContain("\u001b[31mproblem");
});

describe("what is probed", () => {
  it("the mount that a folder lies on: the longest above it, of these the last", () => {
    const mounts =
      "/dev/root / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/sda1 /mnt/my\\040disk vfat ro,noatime 0 0\n/dev/b / btrfs rw 0 0\n";
    expect(mountOf(mounts, "/mnt/my disk/data")).toEqual({ type: "vfat", options: ["ro", "noatime"] });
    expect(mountOf(mounts, "/runner")).toMatchObject({ type: "btrfs" });
    expect(mountOf("", "/")).toBeNull();
  });

  it("the age of eMMC, and of an SD card nothing", async () => {
    const files = {
      "sys/block/mmcblk0/device/life_time": "0x02 0x05\n",
      "sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
      "sys/block/mmcblk1/device/name": "SD\n",
    };
    expect(await flashFacts(treeSystem(() => ({ files, commands: {} })))).toEqual([
      { name: "mmcblk0", usedTenths: 5, endOfLife: 1 },
    ]);
  });

  it("each broker once, with all that it is for; who names none means the fleet's", () => {
    const text = `
model: m
mqtt: { broker: "mqtt://a", fleet: lab, username: u, password: p }
results: {}
labels: { mqtt: { broker: "mqtts://b:8883" } }
sources: [{ kind: mqtt, name: belt, topics: [{ topic: t }] }]
`;
    expect(brokersOf(parseConfig(text, "/c.yml"))).toEqual([
      { broker: "mqtt://a", username: "u", password: "p", uses: ["fleet", "results", "source belt"] },
      { broker: "mqtts://b:8883", username: undefined, password: undefined, uses: ["labels"] },
    ]);
  });

  it("bytes written, by the kernel's account", () => {
    expect(parseWritten("rchar: 1\nwchar: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n")).toBe(4096);
    expect(parseWritten("Permission denied")).toBeNull();
    expect(parseWritten(null)).toBeNull();
  });
});
