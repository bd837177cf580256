import { expect, test } from "vitest";
import {
  answered,
  judgeQuality,
  labelled,
  type Quality,
  type QualityPolicy,
  watchFrom,
} from "../../../device/adapters/quality.ts";
import { seeded } from "../../../runtime/random/random.ts";

const POLICY: QualityPolicy = { baseline: 100, confidenceDrop: 0.1, accuracyDrop: 0.15 };
const uniform = seeded(20_261_124);

/** Confidences as classifiers have them: mostly sure, some not; `sure` is the share of sure answers. */
const confidence = (sure: number) => (uniform() < sure ? 1 - 0.15 * uniform() ** 2 : 0.35 + 0.5 * uniform());

/** A stream in which each scene stays for `stay` answers, as before a camera. */
function* scenes(sure: number, stay: number): Generator<number> {
  for (;;) {
    const scene = confidence(sure);
    for (let at = 0; at < stay; at++) yield Math.min(1, Math.max(0, scene + 0.02 * (uniform() - 0.5)));
  }
}

/** Observations until the alarm; null: none within `most`. */
function alarmAfter(quality: Quality, most: number, observe: (quality: Quality) => Quality): number | null {
  let now = quality;
  for (let at = 1; at <= most; at++) {
    now = observe(now);
    if (judgeQuality(now, POLICY).tag === "dropped") return at;
  }
  return null;
}

const labels = (accuracy: number) => (quality: Quality) => labelled(quality, uniform() < accuracy, POLICY);
const answers = (stream: Iterator<number>) => (quality: Quality) => answered(quality, stream.next().value, POLICY);

const ACCEPTED = watchFrom("a".repeat(64), { samples: 40, accuracy: 0.9 });
const settled = (sure: number, stay: number) => {
  let quality = ACCEPTED;
  const stream = scenes(sure, stay);
  for (let at = 0; at < POLICY.baseline; at++) quality = answered(quality, stream.next().value!, POLICY);
  return quality;
};

const share = (runs: number, alarms: () => boolean) =>
  Array.from({ length: runs }, alarms).filter(Boolean).length / runs;

test.each([
  ["of independent scenes", 0.8, 1],
  ["of a model that is nearly always sure", 0.98, 1],
  ["of scenes that stay for three answers", 0.8, 3],
])(
  "in 2,000 answers %s, none worse than before, fewer than 2 in 100 adapters are taken for less sure",
  (_, sure, stay) => {
    const alarms = share(500, () => alarmAfter(settled(sure, stay), 2000, answers(scenes(sure, stay))) !== null);
    expect(alarms).toBeLessThan(0.02);
  },
);

test("an adapter that becomes unsure is noticed within 80 answers, in 99 of 100 cases", () => {
  const noticed = share(300, () => alarmAfter(settled(0.85, 1), 80, answers(scenes(0.2, 1))) !== null);
  expect(noticed).toBeGreaterThan(0.99);
});

test("an adapter that is as right as its gate saw is taken for worse in fewer than 1 of 100 cases, over 200 labels", () => {
  expect(share(2000, () => alarmAfter(ACCEPTED, 200, labels(0.9)) !== null)).toBeLessThan(0.01);
});

test("an adapter that is right half the time is noticed within 80 labels, in 99 of 100 cases", () => {
  expect(share(500, () => alarmAfter(ACCEPTED, 80, labels(0.5)) !== null)).toBeGreaterThan(0.99);
});

test("five held-out samples, all right, do not make it infallible: one mistake is none too many", () => {
  let quality = watchFrom("a".repeat(64), { samples: 5, accuracy: 1 });
  for (const isRight of [true, false, true, true, false]) quality = labelled(quality, isRight, POLICY);
  expect(judgeQuality(quality, POLICY)).toEqual({ tag: "well" });
});

test("without a score to be held to, labels say nothing", () => {
  expect(alarmAfter(watchFrom("a".repeat(64), null), 1000, labels(0))).toBeNull();
});

test("a reason comes with its numbers", () => {
  let quality = ACCEPTED;
  for (let at = 0; at < 20; at++) quality = labelled(quality, false, POLICY);
  expect(judgeQuality(quality, POLICY)).toMatchObject({
    tag: "dropped",
    reason: "LESS_RIGHT",
    explanation: expect.stringContaining("0 of 20 right"),
  });
});
