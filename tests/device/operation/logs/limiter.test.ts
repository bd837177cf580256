import fc from "fast-check";
import { expect, test } from "vitest";
import { createLimiter, kindOf } from "../../../../device/operation/logs/limiter.ts";
import { admit, type Bucket } from "../../../../device/operation/logs/rate.ts";
import type { LogRecord } from "../../../../device/operation/logs/record.ts";

const record = (msg: string, level = 30): LogRecord => ({ level, time: 0, msg });
const messages = (records: readonly LogRecord[]) => records.map(({ msg }) => msg);

test("in any stretch of time no more lines of a kind pass than the burst and what the time allows", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(20_000), { maxLength: 200 }),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 120 }),
      (gapsMs, burst, perMinute) => {
        let bucket: Bucket | undefined;
        let nowMs = 0;
        let told = 0;
        const passed: number[] = [];
        for (const gap of gapsMs) {
          nowMs += gap;
          const admission = admit(bucket, nowMs, { burst, perMinute });
          bucket = admission.bucket;
          if (!admission.passes) continue;
          passed.push(nowMs);
          told += admission.heldBefore;
        }
        // Every line is either written or counted.
        expect(passed.length + told + (bucket?.held ?? 0)).toBe(gapsMs.length);
        for (const [from, start] of passed.entries()) {
          for (let to = from; to < passed.length; to++) {
            const allowed = burst + ((passed[to]! - start) * perMinute) / 60_000;
            expect(to - from + 1).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      },
    ),
  );
});

test("a flood is cut, and its end says how much was cut, even when nothing follows", () => {
  const limiter = createLimiter({ burst: 2, perMinute: 1 });
  const written = [0, 1, 2, 3, 4].flatMap((at) => messages(limiter.pass(record(`sample ${at} dropped`), at)));
  expect(written).toEqual(["sample 0 dropped", "sample 1 dropped"]);
  expect(messages(limiter.sweep(1000))).toEqual([]);
  expect(messages(limiter.sweep(61_000))).toEqual(["3 more like this were held back: sample 4 dropped"]);
  expect(limiter.sweep(122_000)).toEqual([]);
});

test("the next line that passes says how many were held back before it", () => {
  const limiter = createLimiter({ burst: 1, perMinute: 1 });
  limiter.pass(record("late"), 0);
  limiter.pass(record("late"), 1);
  expect(messages(limiter.pass(record("late"), 60_001))).toEqual(["1 more like this were held back: late", "late"]);
});

test("an error is not held back because of a flood of other lines", () => {
  const limiter = createLimiter({ burst: 1, perMinute: 1 });
  for (let at = 0; at < 100; at++) limiter.pass(record(`inferred ${at}`), at);
  expect(messages(limiter.pass(record("the disk is full", 50), 100))).toEqual(["the disk is full"]);
});

test("a kind is what a line says, not of which file, number or hash", () => {
  const kind = kindOf(record("sample 12 of watch/inbox/a b.wav"));
  expect(kindOf(record("sample 13 of watch/inbox/a b.wav"))).toBe(kind);
  expect(kindOf(record("adapter deadbeef01234567 refused"))).toBe(kindOf(record("adapter 0123456789abcdef refused")));
  expect(kindOf(record("the same", 40))).not.toBe(kindOf(record("the same", 50)));
  expect(kindOf({ ...record("the same"), code: "A" })).not.toBe(kindOf({ ...record("the same"), code: "B" }));
});

test("kinds without end do not fill the memory, and none that was held back is lost", () => {
  const limiter = createLimiter({ burst: 1, perMinute: 1 });
  let written = 0;
  let held = 0;
  const words = [..."abcdefghijklmnopqrstuvwxyz"].flatMap((a) => [..."ghijklmnopqrstuvwxyz"].map((b) => `${a}${b}`));
  const count = (records: readonly LogRecord[]) => {
    for (const { held: more } of records) {
      if (typeof more === "number") held += more;
      else written++;
    }
  };
  for (const word of [...words, ...words]) {
    count(limiter.pass(record(word), 0));
    count(limiter.pass(record(word), 0));
  }
  count(limiter.sweep(1e9));
  expect(written + held).toBe(4 * words.length);
});
