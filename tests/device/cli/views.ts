import type { View } from "../../../device/cli/top/render.ts";

const SHA = "59e03b7830ff".padEnd(64, "0");
const latency = { count: 10, perSecond: 12.3, p50Ms: 4.1, p95Ms: 5.2, p99Ms: 9.9, maxMs: 12 };
const gained = (accuracy: number) => ({ heldOut: { samples: 20, accuracy, loss: 0.1 }, rehearsal: null });

/** A board of ten classes at work, as the daemon tells of it. */
export const VIEW: View = {
  silentSeconds: null,
  status: {
    schema: "lichen/status/1",
    device: "line-3-box-7",
    version: "0.1.0",
    uptimeSeconds: 12_000,
    models: ["main"],
    model: { id: "spoken-digits", version: "1", sha256: SHA, labels: [] },
    adapter: { serving: SHA, current: SHA, previous: null, version: 1 },
    inferences: 1000,
    inference: {
      queue: { bound: 16, policy: "drop-oldest", waiting: 0, dropped: 0, perSource: {} },
      latency,
      waiting: latency,
    },
    samples: {
      total: 80,
      bytes: 652_000,
      new: 3,
      perClass: Object.fromEntries(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"].map((label, at) => [
          label,
          at * 3,
        ]),
      ),
    },
    sources: [],
    round: {
      state: "TOO_FEW_NEW_SAMPLES",
      phase: "idle",
      reasons: [],
      progress: null,
      last: {
        id: 1,
        kind: "train",
        trigger: "samples",
        startedAt: "2026-11-24T14:06:28.000Z",
        seconds: 11,
        samples: { train: 60, heldOut: 20 },
        adapter: SHA,
        metrics: { before: gained(0.5), after: gained(0.95) },
        outcome: { tag: "accepted", reason: "GAIN", explanation: "better" },
      },
    },
    results: null,
    sync: { broker: "mqtt://broker:1883/", connected: true, protocol: "5", nowMs: 240_000, sinceMs: 0 },
    problems: [],
  },
  why: {
    schema: "lichen/why/1",
    state: "waits",
    phase: "idle",
    reasons: [
      { code: "TOO_FEW_NEW_SAMPLES", explanation: "e", todo: "t", found: "3 new", wanted: "20", againSeconds: null },
      { code: "TOO_HOT", explanation: "e", todo: "t", found: "81.2 °C", wanted: "below 70.0 °C", againSeconds: 5 },
    ],
    last: { id: 1, kind: "train", outcome: "accepted", code: "GAIN", explanation: "e", todo: "t", found: "f" },
    pinned: null,
    adapters: [],
    problems: [],
  },
  board: {
    schema: "lichen/board/1",
    temperatureCelsius: 61.3,
    throttling: null,
    pressure: { cpu: 1, memory: 0, io: 0 },
    load: 0.61,
    cores: 4,
    availableBytes: 412e6,
    mains: null,
    batteryPercent: null,
    clock: { now: "2026-11-24T14:10:00.000Z", trusted: true },
    process: { residentBytes: 96e6, uptimeSeconds: 12_000, cpuSeconds: 40, writtenBytes: 400_000 },
    disk: { freeBytes: 3.2e9, totalBytes: 16e9, writable: true },
    config: "/etc/lichen/lichen.yml",
    data: "/var/lib/lichen",
  },
  logs: {
    schema: "lichen/logs/1",
    records: [
      {
        level: "warn",
        time: "2026-11-24T14:06:38.000Z",
        message: "a warning of some length, told in full by lichen logs",
      },
    ],
  },
};
