import { expect, test } from "vitest";
import { whySchema } from "../../device/api/schemas.ts";
import { allCodes, meaningOf, meaningsOf } from "../../device/codes.ts";
import { REASON_CODES } from "../../device/governor/reasons.ts";
import type { Round } from "../../device/rounds/record.ts";
import { outcomeInWords, why } from "../../device/why.ts";
import { ERRORS } from "../../runtime/errors.ts";
import { GATE_REASONS } from "../../runtime/gate/decision.ts";

const NOTHING = { rounds: [], refused: [], pinned: null, problems: [] };

const round = (id: number, outcome: Round["outcome"]): Round => ({
  id,
  kind: "train",
  trigger: "samples",
  startedAt: "2026-01-01T00:00:00.000Z",
  seconds: 1,
  samples: { train: 3, heldOut: 1 },
  adapter: null,
  metrics: null,
  outcome,
});

test("every code of every table is explained, with what to do", () => {
  const codes = allCodes();
  for (const code of [
    ...REASON_CODES,
    ...Object.keys(GATE_REASONS),
    ...Object.keys(ERRORS),
    "CRASH_LOOP",
    "SHADOW_FAILED",
  ]) {
    expect(codes).toContain(code);
  }
  for (const code of codes) {
    expect(meaningsOf(code), code).not.toEqual([]);
    for (const { explanation, todo } of meaningsOf(code)) {
      expect(explanation, code).toMatch(/\S{2}/);
      expect(todo, code).toMatch(/\S{2}/);
    }
  }
});

test("what every object has is no code", () => {
  expect(meaningsOf("constructor")).toEqual([]);
});

test("all reasons that hold are told in their order, in words, with what was found and what is wanted", () => {
  const answer = why({
    ...NOTHING,
    verdict: {
      tag: "wait",
      againMs: 4000,
      reasons: [
        { code: "TOO_HOT", found: "81.0 °C", wanted: "below 70.0 °C", againMs: 4000 },
        { code: "QUIET_HOURS", found: "12:00", wanted: "18:00", againMs: null },
      ],
    },
    phase: "idle",
  });
  expect(whySchema.parse(answer)).toEqual(answer);
  expect(answer).toMatchObject({ state: "waits", last: null, adapters: [] });
  expect(answer.reasons).toMatchObject([
    { code: "TOO_HOT", found: "81.0 °C", wanted: "below 70.0 °C", againSeconds: 4 },
    { code: "QUIET_HOURS", againSeconds: null },
  ]);
  expect(answer.reasons[0]!.explanation).toBe(meaningOf("TOO_HOT", "round")!.explanation);
  expect(answer.reasons[0]!.todo).toContain("heat sink");
});

test.each([
  [{ tag: "start" }, "idle", "starts"],
  [{ tag: "start" }, "shadowing", "runs"],
  [{ tag: "go on", againMs: 1 }, "training", "runs"],
  [{ tag: "go on", againMs: 1 }, "paused", "paused"],
] as const)("%j while %s: %s", (verdict, phase, state) => {
  expect(why({ ...NOTHING, verdict, phase }).state).toBe(state);
});

test("a round in its shadow runs, though the governor calls it busy", () => {
  const reasons = [{ code: "ROUND_RUNNING", found: "a round", wanted: "none", againMs: null }] as const;
  expect(why({ ...NOTHING, verdict: { tag: "wait", reasons, againMs: null }, phase: "shadowing" }).state).toBe("runs");
});

test("of the last round that ended, why; of adapters out of service, the newest first", () => {
  const rounds = [
    round(1, { tag: "accepted", reason: "GAIN", explanation: "better (0.5 to 0.9)" }),
    round(2, { tag: "rejected", reason: "SHADOW_LESS_SURE", explanation: "less sure (0.4 nats)" }),
    round(3, { tag: "running" }),
  ];
  const refused = [
    { sha256: "a".repeat(64), reason: "NO_GAIN" },
    { sha256: "b".repeat(64), reason: "LESS_RIGHT" },
  ];
  const answer = why({ ...NOTHING, verdict: { tag: "start" }, phase: "idle", rounds, refused });
  expect(answer.last).toMatchObject({
    id: 2,
    outcome: "rejected",
    code: "SHADOW_LESS_SURE",
    found: "less sure (0.4 nats)",
  });
  expect(answer.adapters).toMatchObject([
    { sha256: "b".repeat(64), code: "LESS_RIGHT", todo: expect.stringContaining("serves again") },
    { sha256: "a".repeat(64), code: "NO_GAIN" },
  ]);
});

test("a failed round says what its error says, and a code of a later version does not break it", () => {
  const failed = outcomeInWords(round(1, { tag: "failed", code: "ROUND_HUNG", message: "ROUND_HUNG: silent." }));
  expect(failed).toMatchObject({
    explanation: ERRORS.ROUND_HUNG[0],
    todo: ERRORS.ROUND_HUNG[1],
    found: "ROUND_HUNG: silent.",
  });
  const unknown = outcomeInWords(round(1, { tag: "rejected", reason: "NOT_BY_MOONLIGHT", explanation: "full moon" }));
  expect(unknown).toMatchObject({ code: "NOT_BY_MOONLIGHT", found: "full moon" });
});
