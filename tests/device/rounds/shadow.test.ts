import fc from "fast-check";
import { expect, test } from "vitest";
import { shadowSchema } from "../../../device/rounds/config.ts";
import { type Answer, compared, judgeShadow, NO_SHADOW, type ShadowCounts } from "../../../device/rounds/shadow.ts";

const POLICY = shadowSchema.parse({ minInferences: 20 });
const LABELS = ["a", "b", "c"];

/** An answer that is so sure of a label. */
const answer = (label: string, confidence = 0.9): Answer => ({
  label,
  probabilities: LABELS.map((one) => (one === label ? confidence : (1 - confidence) / 2)),
});

type Pair = readonly [current: Answer, candidate: Answer, label?: string];
const seen = (pairs: readonly Pair[], from: ShadowCounts = NO_SHADOW): ShadowCounts =>
  pairs.reduce((counts, [current, candidate, label]) => compared(counts, current, candidate, label), from);
const times = (count: number, pair: (at: number) => Pair): Pair[] => Array.from({ length: count }, (_, at) => pair(at));
const varied = (at: number) => LABELS[at % 3]!;
const judge = (pairs: readonly Pair[], policy = POLICY) => judgeShadow(seen(pairs), policy);

test("it goes on until there is enough, or time is up", () => {
  const some = seen(times(5, (at) => [answer(varied(at)), answer(varied(at))]));
  expect(judgeShadow(some, POLICY)).toEqual({ tag: "goes on" });
  expect(judgeShadow({ ...some, seconds: 3600 }, POLICY)).toMatchObject({ tag: "passed", reason: "SHADOW_TOO_FEW" });
});

test("a candidate as good as the current adapter passes, with its numbers", () => {
  const pairs = times(20, (at) => [answer(varied(at)), answer(at === 0 ? "b" : varied(at))]);
  expect(judge(pairs)).toMatchObject({
    ...{ tag: "passed", reason: "SHADOW_PASSED", explanation: expect.stringContaining("20 inferences, 95.0 % alike") },
  });
});

test.each<readonly [string, readonly Pair[]]>([
  ["SHADOW_LESS_SURE", times(20, (at) => [answer(varied(at)), answer(varied(at), 0.5)])],
  ["SHADOW_COLLAPSED", times(20, (at) => [answer(varied(at)), answer("a", 0.9)])],
  ["SHADOW_LESS_RIGHT", times(20, (at) => [answer(varied(at)), answer(varied(at + (at < 6 ? 1 : 0))), varied(at)])],
])("%s keeps it from serving", (reason, pairs) => {
  expect(judge(pairs)).toMatchObject({ tag: "failed", reason });
});

test("sure of one thing, where the current adapter guessed at several, is no collapse: there may be but one thing", () => {
  expect(judge(times(20, (at) => [answer(varied(at), 0.4), answer("a")]))).toMatchObject({ tag: "passed" });
});

test("wrong where the current adapter is wrong too, or right as often elsewhere, is not less right", () => {
  const pairs = times(20, (at) => {
    const wrong = varied(at + 1);
    const [current, candidate] = at < 6 ? [wrong, varied(at)] : at < 12 ? [varied(at), wrong] : [wrong, wrong];
    return [answer(current), answer(candidate), varied(at)];
  });
  expect(judge(pairs)).toMatchObject({ tag: "passed" });
});

test("disagreement counts only where a bound is set", () => {
  const pairs = times(20, (at) => [answer(varied(at)), answer(varied(at + (at % 2)))]);
  expect(judge(pairs)).toMatchObject({ tag: "passed" });
  expect(judge(pairs, { ...POLICY, maxDisagreement: 0.3 })).toMatchObject({ reason: "SHADOW_DISAGREES" });
});

const pairs = fc.array(
  fc.tuple(
    fc.constantFrom(...LABELS),
    fc.constantFrom(...LABELS),
    fc.double({ min: 0.34, max: 1, noNaN: true }),
    fc.option(fc.constantFrom(...LABELS), { nil: undefined }),
  ),
  { maxLength: 60 },
);

test("put down and taken up anywhere, the counts are the same", () => {
  fc.assert(
    fc.property(pairs, fc.nat(60), (drawn, cut) => {
      const all = drawn.map(
        ([a, b, sure, label]): Pair =>
          label === undefined ? [answer(a), answer(b, sure)] : [answer(a), answer(b, sure), label],
      );
      const stored = JSON.parse(JSON.stringify(seen(all.slice(0, cut))));
      expect(seen(all.slice(cut), stored)).toEqual(seen(all));
    }),
  );
});
