import { expect, test } from "vitest";
import { ALIVE_LIMITS, type AliveFacts, isAlive } from "../../../device/operation/alive.ts";

const well: AliveFacts = {
  eventLoopLagMs: 3,
  inferenceMs: null,
  sources: [{ name: "watch", busyMs: null }],
  disk: { tag: "writable" },
};

test("a daemon at rest, and one at work within its limits, is alive", () => {
  expect(isAlive(well)).toEqual({ alive: true });
  expect(
    isAlive({
      eventLoopLagMs: ALIVE_LIMITS.eventLoopLagMs,
      inferenceMs: ALIVE_LIMITS.inferenceMs,
      sources: [{ name: "watch", busyMs: ALIVE_LIMITS.sourceMs }],
      disk: { tag: "silent", ms: ALIVE_LIMITS.diskMs },
    }),
  ).toEqual({ alive: true });
});

test.each<[string, Partial<AliveFacts>]>([
  ["EVENT_LOOP_BLOCKED", { eventLoopLagMs: ALIVE_LIMITS.eventLoopLagMs + 1 }],
  ["INFERENCE_STUCK", { inferenceMs: ALIVE_LIMITS.inferenceMs + 1 }],
  [
    "SOURCE_STUCK",
    {
      sources: [
        { name: "watch", busyMs: null },
        { name: "mqtt", busyMs: ALIVE_LIMITS.sourceMs + 1 },
      ],
    },
  ],
  ["DISK_SILENT", { disk: { tag: "silent", ms: ALIVE_LIMITS.diskMs + 1 } }],
])("%s is a reason to be started again", (reason, facts) => {
  expect(isAlive({ ...well, ...facts })).toMatchObject({ alive: false, reason });
});

test.each(["EROFS", "ENOSPC", "ENOENT"])("a disk that says %s is none: inference goes on without it", (code) => {
  expect(isAlive({ ...well, disk: { tag: "refuses", code } })).toEqual({ alive: true });
});
