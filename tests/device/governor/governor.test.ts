import { expect, it } from "vitest";
import type { BoardFacts } from "../../../device/governor/facts.ts";
import { createGovernor } from "../../../device/governor/governor.ts";
import { testClock } from "../clock.ts";
import { factsWith, policyOf } from "./facts.ts";

/** A governor of a board whose temperature can be set, that counts how often it looks. */
function governed(config: object = {}) {
  const clock = testClock();
  const board = { temperature: 45, reads: 0, clockQuestions: 0 };
  let policy = policyOf(config);
  const governor = createGovernor({
    clock,
    policy: () => policy,
    readings: {
      async read(): Promise<BoardFacts> {
        board.reads++;
        return factsWith({ board: { temperature: board.temperature } }).board;
      },
    },
    async isClockTrusted() {
      board.clockQuestions++;
      return false;
    },
  });
  const configure = (next: object) => {
    policy = policyOf(next);
  };
  const { inference } = factsWith();
  const round = (changes: Parameters<typeof factsWith>[0] = {}) => factsWith(changes).round;
  return { governor, clock, board, inference, round, configure };
}

it("does not read the board for a round that would not start anyway", async () => {
  const { governor, board, inference, round } = governed();
  expect(await governor.decide(round({ round: { newSamples: 0 } }), inference)).toMatchObject({ tag: "wait" });
  expect(board).toMatchObject({ reads: 0, clockQuestions: 0 });
  expect(await governor.decide(round(), inference)).toEqual({ tag: "start" });
  expect(board.reads).toBe(1);
});

it("lets the board hold back what nothing else does", async () => {
  const { governor, board, inference, round } = governed();
  board.temperature = 85;
  const wanted = { tag: "pause", reasons: [{ code: "TOO_HOT" }] };
  expect(await governor.decide(round({ round: { phase: "training" } }), inference)).toMatchObject(wanted);
});

it("shows all reasons, those of the board beside others", async () => {
  const { governor, board, inference, round } = governed();
  board.temperature = 85;
  expect(await governor.explain(round({ round: { newSamples: 0 } }), inference)).toMatchObject({
    reasons: [{ code: "TOO_FEW_NEW_SAMPLES" }, { code: "TOO_HOT" }],
  });
});

it("reads the board once for all who ask in the same second, and anew after it", async () => {
  const { governor, clock, board, inference, round } = governed();
  await Promise.all([governor.decide(round(), inference), governor.decide(round(), inference)]);
  clock.pass(900);
  await governor.decide(round(), inference);
  expect(board.reads).toBe(1);
  clock.pass(100);
  board.temperature = 85;
  expect(await governor.decide(round(), inference)).toMatchObject({ tag: "wait" });
  expect(board.reads).toBe(2);
});

it("asks whether the clock is right only where there are hours, and by the configuration of the moment", async () => {
  const { governor, board, inference, round, configure } = governed();
  expect(await governor.decide(round(), inference)).toEqual({ tag: "start" });
  expect(board.clockQuestions).toBe(0);
  configure({ hours: { quiet: ["00:00-24:00"] } });
  expect(await governor.decide(round(), inference)).toMatchObject({
    tag: "wait",
    reasons: [{ code: "CLOCK_UNKNOWN" }],
  });
  configure({ hours: { quiet: ["00:00-24:00"], whenClockUnknown: "train" } });
  expect(await governor.decide(round(), inference)).toEqual({ tag: "start" });
});
