import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type RoundEffect,
  type RoundEvent,
  type RoundState,
  roundStateSchema,
  step,
} from "../../../device/rounds/machine.ts";
import { NO_SHADOW } from "../../../device/rounds/shadow.ts";

const score = (accuracy: number) => ({ heldOut: { samples: 5, accuracy, loss: 0 }, rehearsal: null });
const verdict = (accepted: boolean) => ({
  decision: { accepted, reason: accepted ? "GAIN" : "NO_GAIN", explanation: "because" },
  metrics: { before: score(0.5), after: score(0.9) },
  sha256: "a".repeat(64),
  unreadable: [],
});

const IDLE: RoundState = { tag: "idle" };
const begin = (kind: "train" | "appraise" = "train", waitFor: string | null = null): RoundEvent => ({
  ...{ tag: "begin", id: 7, kind, start: "s".repeat(64), waitFor },
});
const restarted: RoundEvent = { tag: "restarted", message: "power cut" };
const judged = (tag: "passed" | "failed", reason = "SHADOW_PASSED" as const): RoundEvent => ({
  ...{ tag: "judged", judgement: { tag, reason, explanation: "seen" } },
});

/** State and effects after events, one after the other. */
const after = (...events: RoundEvent[]) =>
  events.reduce<{ state: RoundState; effects: readonly RoundEffect[] }>(({ state }, event) => step(state, event), {
    state: IDLE,
    effects: [],
  });
const told = (...events: RoundEvent[]) => {
  const { state, effects } = after(...events);
  return [state.tag, ...effects.map(({ tag }) => tag)];
};

const train = (phase: string): RoundEvent => ({ tag: "progress", phase });
const good = (shadow: boolean): RoundEvent => ({ tag: "verdict", verdict: verdict(true), shadow });
const bad: RoundEvent = { tag: "verdict", verdict: verdict(false), shadow: true };
const committed: RoundEvent = { tag: "committed" };
const concluded: RoundEvent = { tag: "concluded" };

test("a round goes from its plan to the commit, the state always ahead of what is done", () => {
  const events = [begin(), train("cache"), train("train"), good(true), judged("passed"), committed, concluded];
  expect(events.map((_, at) => told(...events.slice(0, at + 1)))).toEqual([
    ["planned", "run"],
    ["caching"],
    ["training"],
    ["shadowing", "shadow"],
    ["committing", "commit"],
    ["concluding", "conclude"],
    ["idle"],
  ]);
});

test.each<readonly [string, readonly RoundEvent[], readonly string[]]>([
  ["without a shadow what passed the gate is committed", [begin(), good(false)], ["committing", "commit"]],
  ["what the gate rejects is concluded", [begin(), bad], ["concluding", "conclude"]],
  ["what fails in the shadow is concluded", [begin(), good(true), judged("failed")], ["concluding", "conclude"]],
  ["a round that was asked for waits for the board", [begin("train", "TOO_HOT")], ["paused"]],
  ["a paused round resumes", [begin("train", "TOO_HOT"), { tag: "resume" }], ["planned", "run"]],
  ["what is put down is paused", [begin(), train("train"), { tag: "put down", reason: "TOO_HOT" }], ["paused"]],
  ["progress after training has begun is no step back", [begin(), train("train"), train("measure")], ["training"]],
  ["a late verdict changes nothing", [begin(), bad, good(false)], ["concluding"]],
])("%s", (_, events, wanted) => {
  expect(told(...events)).toEqual(wanted);
});

test.each<readonly [string, readonly RoundEvent[], readonly string[]]>([
  ["idle", [], ["idle"]],
  ["planned", [begin()], ["concluding", "conclude"]],
  ["training", [begin(), train("train")], ["concluding", "conclude"]],
  ["paused", [begin(), { tag: "put down", reason: "TOO_HOT" }], ["paused"]],
  ["shadowing", [begin(), good(true)], ["shadowing", "shadow"]],
  ["committing", [begin(), good(false)], ["committing", "commit"]],
  ["concluding", [begin(), bad], ["concluding", "conclude"]],
])("a restart while it was %s does what is still due", (_, events, wanted) => {
  expect(told(...events, restarted)).toEqual(wanted);
});

test("training cut off is owed, an appraisal is not: the fleet offers it again", () => {
  expect(after(begin("train"), restarted, concluded).state).toEqual({ tag: "interrupted", id: 7 });
  expect(after(begin("appraise"), restarted, concluded).state).toEqual(IDLE);
});

test("what the shadow had counted is where it goes on, and stands in the end", () => {
  const shadow = { ...NO_SHADOW, inferences: 9 };
  const { state } = after(begin(), good(true), { tag: "counted", shadow }, restarted);
  expect(state).toMatchObject({ tag: "shadowing", shadow: { inferences: 9 } });
  expect(step(step(state, judged("passed")).state, committed).state).toMatchObject({
    ...{ outcome: { tag: "accepted", reason: "GAIN" }, shadow: { inferences: 9 } },
  });
});

test("a candidate that had no memory to show itself may come again, one that showed itself worse may not", () => {
  const refuses = (reason: "SHADOW_NO_MEMORY" | "SHADOW_LESS_SURE") =>
    after(begin(), good(true), { tag: "judged", judgement: { tag: "failed", reason, explanation: "" } }).state;
  expect(refuses("SHADOW_NO_MEMORY")).toMatchObject({ refuse: false });
  expect(refuses("SHADOW_LESS_SURE")).toMatchObject({ refuse: true });
});

const anyEvent = fc.constantFrom<RoundEvent>(
  ...[
    begin("train"),
    begin("appraise"),
    begin("train", "TOO_HOT"),
    train("cache"),
    train("train"),
    good(true),
    good(false),
  ],
  ...[bad, judged("passed"), judged("failed"), committed, concluded, restarted],
  ...([
    { tag: "put down", reason: "TOO_HOT" },
    { tag: "resume" },
    { tag: "counted", shadow: NO_SHADOW },
    { tag: "objected", reason: "PINNED", explanation: "" },
    { tag: "failed", code: "ROUND_HUNG", message: "" },
    { tag: "cut off", code: "CANCELLED", message: "" },
  ] as const),
);

/** What each effect reports when it works. */
const REPORTS: Record<RoundEffect["tag"], RoundEvent> = {
  run: good(true),
  shadow: judged("passed"),
  commit: committed,
  conclude: concluded,
};

test("whatever happens in whatever order, the state can be stored, and after a restart its effects bring it to rest", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
      const { state } = after(...events);
      expect(roundStateSchema.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
      let now = step(state, restarted);
      if (now.state.tag === "paused") now = step(now.state, { tag: "resume" });
      for (let turns = 0; now.effects.length > 0; turns++) {
        expect(turns).toBeLessThan(6);
        now = step(now.state, REPORTS[now.effects[0]!.tag]);
      }
      expect(["idle", "interrupted"]).toContain(now.state.tag);
    }),
  );
});
