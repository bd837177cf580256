import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { Facts } from "../../../device/governor/facts.ts";
import { govern, type Verdict } from "../../../device/governor/govern.ts";
import { REASON_CODES, REASONS, type ReasonCode } from "../../../device/governor/reasons.ts";
import { factsWith, policyOf, UNKNOWN } from "./facts.ts";

const codes = (verdict: Verdict): ReasonCode[] => ("reasons" in verdict ? verdict.reasons.map(({ code }) => code) : []);

const policy = policyOf();

test("enough new samples, a pause and a board at rest start a round", () => {
  expect(govern(factsWith(), policy)).toEqual({ tag: "start" });
});

test("a round that trains goes on, and is looked at again", () => {
  expect(govern(factsWith({ round: { phase: "training" } }), policy)).toEqual({ tag: "go on", againMs: 5000 });
});

/** Each reason alone: how it comes about, and when it is looked at again. */
const REACHED: Record<ReasonCode, { facts: Parameters<typeof factsWith>[0]; config?: object; againMs: number | null }> =
  {
    STOPPED: { facts: { round: { stopped: true } }, againMs: null },
    HELD: { facts: { round: { held: true } }, againMs: null },
    ROUND_RUNNING: { facts: { round: { phase: "busy" } }, againMs: null },
    OTHER_MODEL_TRAINS: { facts: { round: { elsewhere: "eyes" } }, againMs: 5000 },
    TOO_FEW_NEW_SAMPLES: { facts: { round: { newSamples: 9 } }, againMs: null },
    COOLING_DOWN: { facts: { round: { failuresInARow: 3, sinceFailureMs: 10_000 } }, againMs: 230_000 },
    UNDER_VOLTAGE: { facts: { board: { throttling: { underVoltage: true, slowed: false } } }, againMs: 5000 },
    TOO_HOT: { facts: { board: { temperature: 70.1 } }, againMs: 5000 },
    THROTTLED: { facts: { board: { throttling: { underVoltage: false, slowed: true } } }, againMs: 5000 },
    MEMORY_LOW: { facts: { board: { availableBytes: 100 * 2 ** 20 } }, againMs: 5000 },
    MEMORY_PRESSURE: { facts: { board: { pressure: { cpu: 0, memory: 20, io: 0 } } }, againMs: 5000 },
    BATTERY_LOW: { facts: { board: { mains: false, batteryPercent: 30 } }, againMs: 5000 },
    ON_BATTERY: { facts: { board: { mains: false } }, config: { mainsOnly: true }, againMs: 5000 },
    INFERENCE_SLOW: { facts: { inference: { p99Ms: 14 } }, againMs: 5000 },
    INFERENCE_BEHIND: { facts: { inference: { queuedMs: 2500 } }, againMs: 5000 },
    CPU_PRESSURE: { facts: { board: { pressure: { cpu: 99, memory: 0, io: 0 } } }, againMs: 5000 },
    IO_PRESSURE: { facts: { board: { pressure: { cpu: 0, memory: 0, io: 70 } } }, againMs: 5000 },
    LOAD_HIGH: { facts: { board: { load: 8 } }, againMs: 5000 },
    CLOCK_UNKNOWN: { facts: { time: { trusted: false } }, config: { hours: { only: ["22:00-06:00"] } }, againMs: 5000 },
    QUIET_HOURS: { facts: {}, config: { hours: { quiet: ["11:00-12:10"] } }, againMs: 600_000 },
    OUTSIDE_HOURS: { facts: {}, config: { hours: { only: ["12:07-13:00"] } }, againMs: 420_000 },
    SAMPLES_ARRIVING: { facts: { round: { sinceSampleMs: 400 } }, againMs: 600 },
    RESTING: { facts: { round: { phase: "paused", pauses: 2, sincePauseMs: 10_000 } }, againMs: 20_000 },
  };

describe.each(REASON_CODES)("%s", (code) => {
  const { facts, config, againMs } = REACHED[code];

  it("is reached, alone, with what was found and what is wanted", () => {
    const verdict = govern(factsWith(facts), policyOf(config));
    expect(verdict).toMatchObject({ tag: code === "RESTING" ? "pause" : "wait", againMs });
    expect(codes(verdict)).toEqual([code]);
    const [reason] = "reasons" in verdict ? verdict.reasons : [];
    expect(reason?.found).toMatch(/\S/);
    expect(reason?.wanted).toMatch(/\S/);
  });

  it("explains itself and says what can be done", () => {
    expect(REASONS[code].explanation).toMatch(/^[a-z].{10,}[^.]$/);
    expect(REASONS[code].todo).toMatch(/\S{3,}/);
  });
});

test.each(["UNDER_VOLTAGE", "TOO_HOT", "MEMORY_LOW", "INFERENCE_SLOW"] as const)(
  "%s pauses a round that trains",
  (code) => {
    const worst = {
      board: { temperature: 90, throttling: { underVoltage: true, slowed: true }, availableBytes: 2 ** 20 },
      inference: { p99Ms: 100 },
    };
    const verdict = govern(factsWith({ ...worst, round: { phase: "training" } }), policy);
    expect(verdict.tag).toBe("pause");
    expect(codes(verdict)).toContain(code);
  },
);

test("all reasons are told, the most important first, and the last to go says when to ask again", () => {
  const facts = factsWith({
    round: { failuresInARow: 1, sinceFailureMs: 20_000, sinceSampleMs: 0 },
    board: { temperature: 75 },
  });
  const verdict = govern(facts, policy);
  expect(codes(verdict)).toEqual(["COOLING_DOWN", "TOO_HOT", "SAMPLES_ARRIVING"]);
  expect(verdict).toMatchObject({ againMs: 40_000 });
});

test("where one reason ends by an event only, there is nothing to ask for before", () => {
  const facts = factsWith({ round: { newSamples: 0 }, board: { temperature: 75 } });
  expect(govern(facts, policy)).toMatchObject({ tag: "wait", againMs: null });
});

test("a board that can tell nothing of itself trains", () => {
  for (const phase of ["none", "training", "paused"] as const) {
    expect(["start", "go on"]).toContain(
      govern(factsWith({ ...UNKNOWN, round: { phase, needsBytes: null } }), policy).tag,
    );
  }
});

test("a person's request is held back by the board, not by samples, hours or failures", () => {
  const asked = { requested: true, newSamples: 0, held: true, failuresInARow: 5, sinceFailureMs: 0, sinceSampleMs: 0 };
  const hours = policyOf({ hours: { quiet: ["00:00-24:00"] } });
  expect(govern(factsWith({ round: asked }), hours)).toEqual({ tag: "start" });
  expect(codes(govern(factsWith({ round: asked, board: { temperature: 75 } }), hours))).toEqual(["TOO_HOT"]);
});

test("a round cut off by a stop is made up for without new samples", () => {
  expect(govern(factsWith({ round: { newSamples: 0, owed: true } }), policy)).toEqual({ tag: "start" });
});

test("a stream that never pauses starts a round in the end", () => {
  expect(govern(factsWith({ round: { newSamples: 80, sinceSampleMs: 0 } }), policy)).toEqual({ tag: "start" });
});

describe("between the two bounds", () => {
  const warm = { board: { temperature: 74 } };

  it("a round that trains goes on", () => {
    expect(govern(factsWith({ ...warm, round: { phase: "training" } }), policy).tag).toBe("go on");
  });

  it("none starts, and a paused one stays so", () => {
    expect(govern(factsWith(warm), policy).tag).toBe("wait");
    expect(govern(factsWith({ ...warm, round: { phase: "paused", pauses: 1 } }), policy).tag).toBe("pause");
  });
});

test("memory, too, has one bound for starting and another for going on", () => {
  const at = (megabytes: number, phase: "none" | "training") =>
    govern(factsWith({ board: { availableBytes: megabytes * 2 ** 20 }, round: { phase } }), policy).tag;
  expect(at(100, "none")).toBe("wait");
  expect(at(100, "training")).toBe("go on");
  expect(at(63, "training")).toBe("pause");
});

test.each(["training", "paused"] as const)(
  "a round that is %s is not held back by what only a start waits for",
  (phase) => {
    const round = { newSamples: 0, failuresInARow: 2, sinceFailureMs: 0, sinceSampleMs: 0 };
    expect(govern(factsWith({ round: { ...round, phase } }), policy).tag).toBe("go on");
  },
);

test("a round that goes on after a pause does not rest", () => {
  const round = { phase: "training", pauses: 1, sincePauseMs: 0 } as const;
  expect(govern(factsWith({ round }), policy).tag).toBe("go on");
});

test("a temperature that wavers by a few degrees pauses once, not over and over", () => {
  const wavering = fc.array(fc.double({ min: 70.1, max: 77.9, noNaN: true }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(fc.boolean(), wavering, (trains, temperatures) => {
      for (const temperature of temperatures) {
        const phase = trains ? "training" : "paused";
        const { tag } = govern(factsWith({ board: { temperature }, round: { phase, pauses: 1 } }), policy);
        expect(tag).toBe(trains ? "go on" : "pause");
      }
    }),
  );
});

test("a round is not paused for the load that it makes itself", () => {
  const busy = { board: { load: 7, cores: 2 } };
  expect(govern(factsWith({ ...busy, round: { phase: "training", threads: 2 } }), policy).tag).toBe("go on");
  expect(codes(govern(factsWith({ ...busy, round: { phase: "training", threads: 0 } }), policy))).toEqual([
    "LOAD_HIGH",
  ]);
});

test("a round starts only where what it needs leaves enough", () => {
  const board = { availableBytes: 300 * 2 ** 20 };
  expect(govern(factsWith({ board, round: { needsBytes: 236 * 2 ** 20 } }), policy).tag).toBe("start");
  expect(codes(govern(factsWith({ board, round: { needsBytes: 237 * 2 ** 20 } }), policy))).toEqual(["MEMORY_LOW"]);
});

test("each pause of a round makes its rest longer, to a limit", () => {
  const rest = (pauses: number) => govern(factsWith({ round: { phase: "paused", pauses, sincePauseMs: 0 } }), policy);
  expect([1, 2, 3, 6, 60].map(rest)).toMatchObject(
    [15, 30, 60, 480, 480].map((seconds) => ({ tag: "pause", againMs: seconds * 1000 })),
  );
});

test("an absolute bound of latency counts where no usual one is known", () => {
  const strict = policyOf({ inference: { p99MaxMs: 50 } });
  expect(codes(govern(factsWith({ inference: { p99Ms: 51, usualP99Ms: null } }), strict))).toEqual(["INFERENCE_SLOW"]);
  expect(govern(factsWith({ inference: { p99Ms: 51, usualP99Ms: null } }), policy).tag).toBe("start");
});

test("a charger makes a low battery harmless", () => {
  expect(govern(factsWith({ board: { mains: true, batteryPercent: 3 } }), policy).tag).toBe("start");
  expect(codes(govern(factsWith({ board: { mains: null, batteryPercent: 3 } }), policy))).toEqual(["BATTERY_LOW"]);
});

// Properties.

const reading = (max: number) => fc.option(fc.double({ min: 0, max, noNaN: true }));

const anyFacts: fc.Arbitrary<Facts> = fc.record({
  round: fc.record({
    stopped: fc.boolean(),
    held: fc.boolean(),
    phase: fc.constantFrom("none", "training", "paused", "busy"),
    elsewhere: fc.option(fc.constant("eyes")),
    requested: fc.boolean(),
    newSamples: fc.nat(100),
    owed: fc.boolean(),
    sinceSampleMs: fc.nat(5000),
    failuresInARow: fc.nat(20),
    sinceFailureMs: fc.nat(100_000),
    pauses: fc.nat(20),
    sincePauseMs: fc.nat(100_000),
    threads: fc.nat(4),
    needsBytes: reading(2 ** 30),
  }),
  board: fc.record({
    temperature: reading(100),
    throttling: fc.option(fc.record({ underVoltage: fc.boolean(), slowed: fc.boolean() })),
    pressure: fc.record({ cpu: reading(100), memory: reading(100), io: reading(100) }),
    load: reading(16),
    cores: fc.integer({ min: 1, max: 8 }),
    availableBytes: reading(2 ** 31),
    mains: fc.option(fc.boolean()),
    batteryPercent: reading(100),
  }),
  inference: fc.record({ p99Ms: reading(1000), usualP99Ms: reading(1000), queuedMs: reading(10_000) }),
  time: fc.record({ wallMs: fc.integer({ min: 0, max: 4e12 }), trusted: fc.boolean() }),
});

const allows = ({ tag }: Verdict): boolean => tag === "start" || tag === "go on";

/** One reading worse by some amount; nothing where it is not known. */
const WORSE: Record<string, (facts: Facts, by: number) => Facts> = {
  hotter: (facts, by) => onBoard(facts, { temperature: plus(facts.board.temperature, by) }),
  "too little voltage": (facts) =>
    onBoard(facts, { throttling: { slowed: false, ...facts.board.throttling, underVoltage: true } }),
  slowed: (facts) => onBoard(facts, { throttling: { underVoltage: false, ...facts.board.throttling, slowed: true } }),
  "more load": (facts, by) => onBoard(facts, { load: plus(facts.board.load, by) }),
  "less memory": (facts, by) => onBoard(facts, { availableBytes: plus(facts.board.availableBytes, -by * 2 ** 20) }),
  "off the mains": (facts) => onBoard(facts, { mains: false }),
  "battery emptier": (facts, by) => onBoard(facts, { batteryPercent: plus(facts.board.batteryPercent, -by) }),
  "processor pressed": (facts, by) => pressed(facts, { cpu: plus(facts.board.pressure.cpu, by) }),
  "memory pressed": (facts, by) => pressed(facts, { memory: plus(facts.board.pressure.memory, by) }),
  "disk pressed": (facts, by) => pressed(facts, { io: plus(facts.board.pressure.io, by) }),
  "inference slower": (facts, by) => inferring(facts, { p99Ms: plus(facts.inference.p99Ms, by) }),
  "queue older": (facts, by) => inferring(facts, { queuedMs: plus(facts.inference.queuedMs, by * 100) }),
  "more memory needed": (facts, by) => inRound(facts, { needsBytes: plus(facts.round.needsBytes, by * 2 ** 20) }),
  "fewer samples": (facts, by) => inRound(facts, { newSamples: Math.max(0, facts.round.newSamples - Math.ceil(by)) }),
  "one more failure": (facts) => inRound(facts, { failuresInARow: facts.round.failuresInARow + 1 }),
  "one more pause": (facts) => inRound(facts, { pauses: facts.round.pauses + 1 }),
  "another trains": (facts) => inRound(facts, { elsewhere: "eyes" }),
  "clock lost": (facts) => ({ ...facts, time: { ...facts.time, trusted: false } }),
};
const plus = (value: number | null, by: number) => (value === null ? null : value + by);
const onBoard = (facts: Facts, changes: Partial<Facts["board"]>) => ({
  ...facts,
  board: { ...facts.board, ...changes },
});
const pressed = (facts: Facts, changes: Partial<Facts["board"]["pressure"]>) =>
  onBoard(facts, { pressure: { ...facts.board.pressure, ...changes } });
const inferring = (facts: Facts, changes: Partial<Facts["inference"]>) => ({
  ...facts,
  inference: { ...facts.inference, ...changes },
});
const inRound = (facts: Facts, changes: Partial<Facts["round"]>) => ({
  ...facts,
  round: { ...facts.round, ...changes },
});

const somePolicy = fc.constantFrom(
  policy,
  policyOf({ mainsOnly: true, hours: { only: ["00:00-24:00"] }, inference: { p99MaxMs: 100 } }),
);

/** Mostly in order, so that what is worse matters: most random boards would not train anyway. */
const nearlyGood = fc.tuple(anyFacts, fc.constantFrom("none", "training", "paused")).map(([odd, phase]): Facts => {
  const good = factsWith();
  const keep = <T extends object>(part: T, oddPart: T, keys: (keyof T)[]): T => ({
    ...part,
    ...Object.fromEntries(keys.map((key) => [key, oddPart[key]])),
  });
  return {
    round: { ...keep(good.round, odd.round, ["newSamples", "owed", "threads", "requested"]), phase },
    board: keep(good.board, odd.board, ["temperature", "load", "cores", "availableBytes", "mains"]),
    inference: keep(good.inference, odd.inference, ["usualP99Ms"]),
    time: good.time,
  };
});

test.each(Object.entries(WORSE))("%s: never turns a refusal into a permission", (_, worsen) => {
  fc.assert(
    fc.property(
      fc.oneof(anyFacts, nearlyGood),
      somePolicy,
      fc.double({ min: 0, max: 200, noNaN: true }),
      (before, how, by) => {
        if (allows(govern(before, how))) return;
        expect(allows(govern(worsen(before, by), how))).toBe(false);
      },
    ),
    { numRuns: 300 },
  );
});

test("what is not known never holds a round back", () => {
  fc.assert(
    fc.property(fc.oneof(anyFacts, nearlyGood), (facts) => {
      const known = codes(govern(facts, policy));
      const board = { ...facts.board, ...UNKNOWN.board };
      const unknown = codes(govern({ ...facts, board, inference: UNKNOWN.inference }, policy));
      expect(known).toEqual(expect.arrayContaining(unknown));
    }),
  );
});

test("whatever starts a round lets it go on, too", () => {
  fc.assert(
    fc.property(fc.oneof(anyFacts, nearlyGood), somePolicy, (facts, how) => {
      if (govern(facts, how).tag !== "start") return;
      expect(govern(inRound(facts, { phase: "training" }), how).tag).toBe("go on");
    }),
  );
});

test("a wait that names a time is over at that time, unless something else has come up", () => {
  const quiet = factsWith();
  fc.assert(
    fc.property(anyFacts, ({ round }) => {
      const before: Facts = { ...quiet, round: { ...round, needsBytes: null, elsewhere: null } };
      const first = govern(before, policy);
      if (allows(first)) return;
      if (!("reasons" in first) || first.againMs === null) return;
      expect(first.againMs).toBeGreaterThan(0);
      const later = inRound(before, {
        sinceSampleMs: round.sinceSampleMs + first.againMs,
        sinceFailureMs: round.sinceFailureMs + first.againMs,
        sincePauseMs: round.sincePauseMs + first.againMs,
      });
      expect(allows(govern(later, policy))).toBe(true);
    }),
  );
});
