import { expect, test } from "vitest";
import { createLine } from "../../../device/inference/line.ts";
import { testClock } from "../clock.ts";

/** Work that ends when it is told to. */
function held() {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => () => {
    started.push(name);
    return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
  };
  const end = async (name: string) => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { started, work, end };
}

test("one inference at a time; who waited is served in turn, and the waits are counted", async () => {
  const clock = testClock();
  const line = createLine({ bound: 4, policy: "reject" }, clock);
  const { started, work, end } = held();
  const first = line.run("a", work("a1"));
  const others = [line.run("a", work("a2")), line.run("b", work("b1"))];
  expect(started).toEqual(["a1"]);
  clock.pass(100);
  await end("a1");
  expect(await first).toBe("a1");
  clock.pass(100);
  await end("a2");
  await end("b1");
  expect(await Promise.all(others)).toEqual(["a2", "b1"]);
  expect(started).toEqual(["a1", "a2", "b1"]);
  const { latency, waiting } = line.status();
  expect(latency).toMatchObject({ count: 3 });
  expect(latency.maxMs).toBeCloseTo(200, -1);
  expect(waiting.maxMs).toBeCloseTo(200, -1);
});

test("it is behind from when the second one comes until nobody waits", async () => {
  const clock = testClock();
  const line = createLine({ bound: 4, policy: "reject" }, clock);
  const { work, end } = held();
  const all = [line.run("a", work("a1"))];
  clock.pass(50);
  expect(line.behindMs()).toBe(0);
  all.push(line.run("a", work("a2")), line.run("b", work("b1")));
  clock.pass(100);
  await end("a1");
  expect(line.behindMs()).toBe(100);
  await end("a2");
  expect(line.behindMs()).toBe(0);
  await end("b1");
  await Promise.all(all);
});

test("who loses its place, and who finds none, is told by code", async () => {
  const line = createLine({ bound: 1, policy: "drop-oldest" }, testClock());
  const { work, end } = held();
  const first = line.run("a", work("a1"));
  const second = line.run("a", work("a2"));
  const third = line.run("a", work("a3"));
  await expect(second).rejects.toMatchObject({ code: "QUEUE_FULL" });
  await end("a1");
  await end("a3");
  expect(await Promise.all([first, third])).toEqual(["a1", "a3"]);

  const strict = createLine({ bound: 1, policy: "reject" }, testClock());
  const running = [strict.run("a", work("x1")), strict.run("a", work("x2"))];
  await expect(strict.run("a", work("x3"))).rejects.toMatchObject({ code: "QUEUE_FULL", details: { at: "a" } });
  await end("x1");
  await end("x2");
  await Promise.all(running);
  expect(strict.status().queue).toMatchObject({ waiting: 0, dropped: 1, bound: 1, policy: "reject" });
});

test("work that fails fails alone", async () => {
  const line = createLine({ bound: 4, policy: "reject" }, testClock());
  const failing = line.run("a", () => Promise.reject(new Error("no")));
  const fine = line.run("a", async () => 1);
  await expect(failing).rejects.toThrow("no");
  expect(await fine).toBe(1);
});

test("a line that closes finishes what it has in hand, and tells the rest", async () => {
  const line = createLine({ bound: 4, policy: "reject" }, testClock());
  const { work, end } = held();
  const first = line.run("a", work("a1"));
  const second = line.run("a", work("a2"));
  const closing = line.close();
  await expect(second).rejects.toMatchObject({ code: "CANCELLED" });
  await expect(line.run("a", work("a3"))).rejects.toMatchObject({ code: "CANCELLED" });
  await end("a1");
  await closing;
  expect(await first).toBe("a1");
});
