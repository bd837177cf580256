import fc from "fast-check";
import { expect, test } from "vitest";
import { createNewest } from "../../../../device/sources/stream/newest.ts";
import { testClock } from "../../clock.ts";

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the first is acted on at once, then the newest when it is time", async () => {
  const clock = testClock();
  const acted: number[] = [];
  const newest = createNewest<number>({ everyMs: 100, clock, act: async (item) => void acted.push(item) });
  newest.offer(1);
  await settle();
  newest.offer(2);
  newest.offer(3);
  clock.pass(99);
  expect(acted).toEqual([1]);
  clock.pass(1);
  await settle();
  expect(acted).toEqual([1, 3]);
  expect(newest.passedOver()).toBe(1);
  clock.pass(1000);
  expect(acted).toEqual([1, 3]);
});

test("while one is in hand the next waits, however long that takes; after a stop nothing is acted on", async () => {
  const clock = testClock();
  const acted: number[] = [];
  let release = () => {};
  const act = (item: number) => {
    acted.push(item);
    return new Promise<void>((resolve) => {
      release = resolve;
    });
  };
  const newest = createNewest<number>({ everyMs: 10, clock, act });
  newest.offer(1);
  clock.pass(500);
  newest.offer(2);
  expect(acted).toEqual([1]);
  release();
  await settle();
  expect(acted).toEqual([1, 2]);
  newest.offer(3);
  const stopping = newest.stop();
  release();
  await stopping;
  clock.pass(500);
  expect(acted).toEqual([1, 2]);
});

test("whatever comes when, each is acted on once, passed over, or still held, and never two within the time", async () => {
  const steps = fc.array(fc.oneof(fc.constant("offer" as const), fc.nat(60)), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const clock = testClock();
      const acted: { item: number; atMs: number }[] = [];
      const act = async (item: number) => void acted.push({ item, atMs: clock.monotonicMs() });
      const newest = createNewest<number>({ everyMs: 100, clock, act });
      let offered = 0;
      for (const step of all) {
        if (step === "offer") newest.offer(offered++);
        else clock.pass(step);
        await settle();
      }
      clock.pass(100);
      await settle();
      expect(acted.length + newest.passedOver()).toBe(offered);
      acted.forEach(({ item, atMs }, at) => {
        const before = acted[at - 1];
        if (before === undefined) return;
        expect(item).toBeGreaterThan(before.item);
        expect(atMs - before.atMs).toBeGreaterThanOrEqual(100);
      });
      if (offered > 0) expect(acted.at(-1)?.item).toBe(offered - 1);
    }),
  );
});
