import { expect, test } from "vitest";
import { parseConfig } from "../../../device/config/load.ts";
import { createLiveConfig } from "../../../device/operation/live.ts";
import { createPulse } from "../../../device/operation/pulse.ts";
import { testClock } from "../clock.ts";

const config = (text: string) => parseConfig(text, "/etc/lichen/lichen.yml");

test("what is read again holds for whoever asks from then on; what waits is a problem until the file is as it was", async () => {
  let text = "model: m\ngate: {minHeldOut: 9}\nthreads: 2\n";
  const live = createLiveConfig(config("model: m\n"), async () => config(text));
  expect(live.model("main").gate.minHeldOut).toBe(5);
  const { level, message } = await live.reload();
  expect(level).toBe("warn");
  expect(message).toContain("what holds now: gate.minHeldOut");
  expect(live.model("main")).toMatchObject({ gate: { minHeldOut: 9 }, threads: 1 });
  expect(live.problems()).toMatchObject([{ code: "RESTART_NEEDED", details: { at: "threads" } }]);
  text = "model: m\ngate: {minHeldOut: 9}\n";
  expect(await live.reload()).toMatchObject({ level: "info", applied: [] });
  expect(live.problems()).toEqual([]);
});

test("a file that is not valid changes nothing, and is told", async () => {
  const before = config("model: m\n");
  const live = createLiveConfig(before, async () => config("model: m\nlog: {level: loud}\n"));
  expect(await live.reload()).toMatchObject({ level: "error", applied: [] });
  expect(live.board()).toBe(before);
  expect(live.problems()).toMatchObject([{ code: "BAD_CONFIG" }]);
});

test("a pulse tells the age of the oldest work in hand, whether it ends well or not", async () => {
  const clock = testClock();
  const { around, busyMs } = createPulse(clock);
  let fail = (_: Error) => {};
  const failing = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const first = around(() => failing);
  clock.pass(10);
  const second = around(() => new Promise<void>(() => {}));
  clock.pass(5);
  expect(busyMs()).toBe(15);
  fail(new Error("x"));
  await expect(first).rejects.toThrow("x");
  expect(busyMs()).toBe(5);
  void second;
});
