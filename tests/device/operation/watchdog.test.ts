import { expect, test } from "vitest";
import { createWatchdog, type WatchdogPorts } from "../../../device/operation/watchdog.ts";
import { testClock } from "../clock.ts";

const EVERY_MS = 30_000;

function watched(ports: Partial<WatchdogPorts> = {}) {
  const clock = testClock();
  const seen = { fed: 0, said: [] as string[] };
  const watchdog = createWatchdog({
    clock,
    everyMs: EVERY_MS,
    work: () => ({ inferenceMs: null, sources: [] }),
    askDisk: async () => {},
    feed: () => void seen.fed++,
    onChange: (_, message) => void seen.said.push(message),
    ...ports,
  });
  watchdog.start();
  const periods = async (count: number) => {
    for (let period = 0; period < count; period++) {
      clock.pass(EVERY_MS);
      await Promise.resolve();
    }
  };
  return { clock, seen, watchdog, periods };
}

test("work that goes on feeds once a period, until the stop", async () => {
  const { seen, watchdog, periods } = watched();
  await periods(3);
  expect(seen).toEqual({ fed: 3, said: [] });
  watchdog.stop();
  await periods(3);
  expect(seen.fed).toBe(3);
});

test("an inference that hangs starves the watchdog, is told once, and so is its end", async () => {
  let inferenceMs: number | null = null;
  const { seen, periods } = watched({ work: () => ({ inferenceMs, sources: [] }) });
  await periods(1);
  inferenceMs = 100_000;
  await periods(2);
  expect(seen).toEqual({ fed: 1, said: ["an inference does not come to an end (100 s)"] });
  inferenceMs = null;
  await periods(1);
  expect(seen).toEqual({
    fed: 2,
    said: ["an inference does not come to an end (100 s)", "the work goes on again"],
  });
});

test("an event loop that was held up is not alive in that period, and is again in the next", async () => {
  const { clock, seen, periods } = watched();
  clock.pass(EVERY_MS + 60_000);
  expect(seen).toMatchObject({ fed: 0, said: ["something holds up the event loop (60 s)"] });
  await periods(1);
  expect(seen.fed).toBe(1);
});

test("a disk that never answers is asked once and ends in a restart; one that refuses does not", async () => {
  let asked = 0;
  const silent = watched({
    askDisk: () => {
      asked++;
      return new Promise(() => {});
    },
  });
  await silent.periods(8);
  expect(asked).toBe(1);
  expect(silent.seen.fed).toBe(5);
  expect(silent.seen.said).toEqual(["the disk does not answer (150 s)"]);

  const refusing = watched({ askDisk: () => Promise.reject(Object.assign(new Error(), { code: "EROFS" })) });
  await refusing.periods(8);
  expect(refusing.seen).toEqual({ fed: 8, said: [] });
});
