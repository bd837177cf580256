import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type * as z from "zod";
import type { Objection } from "../../../device/adapters/standing.ts";
import { type Disk, nodeDisk } from "../../../device/disk/disk.ts";
import { stateFile } from "../../../device/disk/state-file.ts";
import { governorPolicy, governorSchema } from "../../../device/governor/config.ts";
import type { BoardFacts } from "../../../device/governor/facts.ts";
import { govern } from "../../../device/governor/govern.ts";
import { createResourceMeter } from "../../../device/governor/resources.ts";
import type { RunJob } from "../../../device/rounds/child.ts";
import { shadowSchema } from "../../../device/rounds/config.ts";
import type { Verdict } from "../../../device/rounds/job-messages.ts";
import { NO_ROUND, roundFileSchema } from "../../../device/rounds/machine.ts";
import { NO_PLAN, planSchema } from "../../../device/rounds/plan.ts";
import { historySchema, NO_HISTORY } from "../../../device/rounds/record.ts";
import { NO_ROLES, rolesSchema } from "../../../device/rounds/roles.ts";
import { createRounds } from "../../../device/rounds/rounds.ts";
import type { Sample } from "../../../device/samples/store.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { tensor } from "../../../runtime/onnx/tensor.ts";
import { decodeFake, fakeAdapter, fakeSessions } from "../adapters/fakes.ts";
import { testClock } from "../clock.ts";
import { atEveryStep, dyingDisk, silent, temporaryFolder } from "../fixtures.ts";

const score = (accuracy: number) => ({ heldOut: { samples: 5, accuracy, loss: 0 }, rehearsal: null });
const CANDIDATE = fakeAdapter("candidate");

const verdict = (accepted: boolean, sha256 = CANDIDATE.sha256): Verdict => ({
  decision: { accepted, reason: accepted ? "GAIN" : "NO_GAIN", explanation: "because" },
  metrics: { before: score(0.5), after: score(0.9) },
  sha256,
  unreadable: [],
});

const sampleList = (count: number): Sample[] =>
  Array.from({ length: count }, (_, at) => ({
    sha256: at.toString(16).padStart(64, "0"),
    label: at % 2 === 0 ? "one" : "two",
    path: `${at}.wav`,
    bytes: 1,
  }));

type Work = (job: Parameters<RunJob>[0]) => Promise<Verdict>;

interface Changes {
  readonly samples?: Sample[];
  readonly incumbent?: () => { sha256: string; path: string } | null;
  readonly shadow?: z.input<typeof shadowSchema>;
  readonly disk?: Disk;
  readonly elsewhere?: () => string | null;
}

/** Rounds over a folder; the folder outlives it, as a disk outlives a process. */
async function opened(folder: string, work: Work, changes: Changes = {}) {
  const {
    samples = sampleList(9),
    incumbent = () => null,
    shadow = {},
    disk = nodeDisk,
    elsewhere = () => null,
  } = changes;
  const clock = testClock();
  const candidate = join(folder, "candidate.safetensors");
  const barred = new Set<string | null>();
  const keeper = {
    install: vi.fn(async () => {}),
    refuse: vi.fn(async () => {}),
    objectionTo: vi.fn((): Objection | null => null),
    isBarred: (sha256: string | null) => barred.has(sha256),
    isPinned: () => false,
  };
  const onTrained = vi.fn();
  const jobs: Parameters<RunJob>[0][] = [];
  const process = { hold: vi.fn(), release: vi.fn(), end: vi.fn() };
  const board = { ...CALM };
  const sessions = fakeSessions();
  const rounds = createRounds({
    policy: {
      holdOut: 0.2,
      unlabelled: 2,
      shadow: shadowSchema.parse(shadow),
      pause: { releaseAfterSeconds: 60 },
    },
    job: {
      model: "model",
      method: "bias",
      seed: 1,
      threads: 1,
      gate: { minHeldOut: 1, maxForgetting: 0.1 },
      board: "here",
      candidate,
    },
    samples: () => samples,
    unlabelled: () => [],
    keeper,
    incumbent,
    decode: decodeFake,
    elsewhere,
    runJob(job, onProgress) {
      jobs.push(job);
      onProgress({ phase: "train", done: 1, total: 2 });
      const written = job.kind === "train" ? writeFile(job.output, CANDIDATE.bytes) : Promise.resolve();
      let cancel = () => {};
      const cancelled = new Promise<never>((_, reject) => {
        cancel = () => reject(new LichenError("CANCELLED"));
      });
      const verdict = Promise.race([written.then(() => work(job)), cancelled]);
      verdict.catch(() => undefined);
      process.end.mockImplementation(cancel);
      return { ...process, pid: undefined, verdict, usage: () => undefined };
    },
    decide: async (round) => govern({ round, board, inference: QUIET, time: { wallMs: 0, trusted: true } }, GOVERNOR),
    meter: () => createResourceMeter({ system: NOTHING_TO_READ, clock, wattsPerCore: 1 }),
    shadow: { availableBytes: async () => board.availableBytes, isBusy: () => false, open: sessions.open },
    history: stateFile(disk, join(folder, "history.json"), historySchema, NO_HISTORY),
    roles: stateFile(disk, join(folder, "roles.json"), rolesSchema, NO_ROLES),
    state: stateFile(disk, join(folder, "state.json"), roundFileSchema, NO_ROUND),
    plan: stateFile(disk, join(folder, "plan.json"), planSchema, NO_PLAN),
    disk,
    clock,
    log: silent,
    onTrained,
  });
  const problems = await rounds.start();
  return { rounds, clock, keeper, barred, onTrained, jobs, samples, process, board, sessions, problems };
}

const QUIET = { p99Ms: null, usualP99Ms: null, queuedMs: null };
const CALM: { -readonly [K in keyof BoardFacts]: BoardFacts[K] } = {
  temperature: 40,
  throttling: null,
  pressure: { cpu: null, memory: null, io: null },
  load: null,
  cores: 2,
  availableBytes: 1e9,
  mains: null,
  batteryPercent: null,
};
const GOVERNOR = governorPolicy(
  governorSchema.parse({ restSeconds: 1 }),
  { minNewSamples: 10, settleMs: 1000, retryMs: 60_000 },
  "UTC",
);
const NOTHING_TO_READ = { read: async () => null, list: async () => [], run: async () => null };

const request = (board: Board) => board.rounds.request(() => {});
const ended = (board: Board) =>
  vi.waitFor(() => expect(board.rounds.history().at(-1)?.outcome.tag ?? "running").not.toBe("running"));
const waitsFor = (board: Board, code: string) =>
  vi.waitFor(() => expect(board.rounds.ruling()).toMatchObject({ reasons: [{ code }] }));
type Board = Awaited<ReturnType<typeof opened>>;

test("an accepted adapter is installed, then told; its samples are no longer new", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  const round = await request(board);
  expect(round).toMatchObject({
    id: 1,
    outcome: { tag: "accepted", reason: "GAIN" },
    samples: { train: 7, heldOut: 2 },
  });
  expect(board.keeper.install).toHaveBeenCalledWith(CANDIDATE, verdict(true).metrics.after);
  expect(board.onTrained).toHaveBeenCalledWith(CANDIDATE, round);
  expect(board.rounds.newSamples()).toEqual([]);
});

test("a rejected adapter is refused and not told; its samples have had their round", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(false));
  expect((await request(board)).outcome).toMatchObject({ tag: "rejected", reason: "NO_GAIN" });
  expect(board.keeper.refuse).toHaveBeenCalledWith(CANDIDATE.sha256, "NO_GAIN");
  expect(board.keeper.install).not.toHaveBeenCalled();
  expect(board.onTrained).not.toHaveBeenCalled();
  expect(board.rounds.newSamples()).toEqual([]);
});

test("a crash is a failed round: nothing installed, nothing refused, the samples still new", async () => {
  const board = await opened(await temporaryFolder(), async () => {
    throw new LichenError("ROUND_CRASHED", { found: "signal SIGKILL" });
  });
  expect((await request(board)).outcome).toMatchObject({ tag: "failed", code: "ROUND_CRASHED" });
  expect(board.keeper.install).not.toHaveBeenCalled();
  expect(board.keeper.refuse).not.toHaveBeenCalled();
  expect(board.rounds.newSamples()).toHaveLength(9);
});

test("a candidate file that is not what the training process spoke of is not served", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true, "f".repeat(64)));
  expect((await request(board)).outcome).toMatchObject({ tag: "failed", code: "ADAPTER_CORRUPT" });
  expect(board.keeper.install).not.toHaveBeenCalled();
});

test("new samples start a round by themselves once they have settled; a failure is tried again after the cool-down", async () => {
  let fails = true;
  const samples: Sample[] = [];
  const board = await opened(
    await temporaryFolder(),
    async () => {
      if (fails) throw new LichenError("ROUND_HUNG");
      return verdict(true);
    },
    { samples },
  );
  samples.push(...sampleList(10));
  board.rounds.sampleStored();
  await waitsFor(board, "SAMPLES_ARRIVING");
  board.clock.pass(1000);
  await ended(board);
  await waitsFor(board, "COOLING_DOWN");
  fails = false;
  board.clock.pass(60_000);
  await vi.waitFor(() => expect(board.onTrained).toHaveBeenCalledOnce());
});

test("a second request while a round runs is refused; without samples there is nothing to train", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const first = request(board);
  await expect(request(board)).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  finish(verdict(false));
  await first;
  board.samples.length = 0;
  await expect(request(board)).rejects.toMatchObject({ code: "TOO_FEW_SAMPLES" });
});

test("a stop ends the round that runs, and the next start makes up for it", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, () => new Promise(() => {}));
  const round = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await board.rounds.stop();
  expect((await round).outcome).toMatchObject({ tag: "failed", code: "CANCELLED" });
  const next = await opened(folder, async () => verdict(true), { samples: sampleList(4) });
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
});

test("a round cut off by a power cut is known after the restart, and made up for", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, () => new Promise(() => {}));
  void request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  const next = await opened(folder, async () => verdict(true));
  expect(next.rounds.history()).toMatchObject([{ id: 1, outcome: { tag: "failed", code: "ROUND_INTERRUPTED" } }]);
  await waitsFor(next, "COOLING_DOWN");
  next.clock.pass(60_000);
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
});

test("an adapter of the fleet is judged by what ours was not trained on, then served or refused", async () => {
  let accepted = true;
  const foreign = fakeAdapter("theirs");
  const board = await opened(await temporaryFolder(), async (job) =>
    job.kind === "train" ? verdict(true) : verdict(accepted, foreign.sha256),
  );
  await request(board);
  expect((await board.rounds.appraise(foreign)).outcome.tag).toBe("accepted");
  expect(board.jobs.at(-1)).toMatchObject({ kind: "appraise", samples: { length: 2 } });
  expect(board.keeper.install).toHaveBeenLastCalledWith(foreign, verdict(true).metrics.after);
  accepted = false;
  expect((await board.rounds.appraise(foreign)).outcome.tag).toBe("rejected");
  expect(board.onTrained).toHaveBeenCalledOnce();
});

test("a round after a trained label was taken back does without the sample and starts from the base, the one after that does not", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, async () => verdict(true), { incumbent: () => INCUMBENT });
  await request(board);
  expect(board.jobs[0]).toMatchObject({ start: "incumbent" });
  const taken = board.samples.find(({ path }) => hasTrained(board.jobs[0], path))!;
  board.samples.splice(board.samples.indexOf(taken), 1);
  await board.rounds.forget([taken.sha256]);
  const next = await opened(folder, async () => verdict(true), { samples: board.samples, incumbent: () => INCUMBENT });
  await request(next);
  expect(next.jobs[0]).not.toHaveProperty("start");
  expect(hasTrained(next.jobs[0], taken.path)).toBe(false);
  await request(next);
  expect(next.jobs[1]).toMatchObject({ start: "incumbent" });
});

test("a label taken back while its sample is trained on counts after the round", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const running = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  const relabelled = board.samples.find(({ path }) => hasTrained(board.jobs[0], path))!;
  await board.rounds.forget([relabelled.sha256]);
  finish(verdict(true));
  await running;
  expect(board.rounds.newSamples()).toEqual([relabelled]);
});

test("what was learnt from a label that was taken back meanwhile is not built upon", async () => {
  let finish = (_: Verdict) => {};
  const work = () => new Promise<Verdict>((resolve) => (finish = resolve));
  const board = await opened(await temporaryFolder(), work, { incumbent: () => INCUMBENT });
  const running = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await takeBack(board);
  finish(verdict(true));
  await running;
  const second = await trainsAfresh(board);
  finish(verdict(false));
  await second();
  // Its candidate was rejected: what serves is still what has learnt from it.
  await trainsAfresh(board);
});

test("a label taken back in the shadow is remembered over a restart", async () => {
  const folder = await temporaryFolder();
  const changes = { incumbent: () => INCUMBENT, shadow: { minInferences: 1 } };
  const board = await opened(folder, async () => verdict(true), changes);
  request(board).catch(() => undefined);
  await vi.waitFor(() => expect(board.rounds.state().tag).toBe("shadowing"));
  await takeBack(board);
  await board.rounds.stop();
  const again = await opened(folder, async () => verdict(true), { ...changes, samples: board.samples });
  answering(again, 1);
  await ended(again);
  await vi.waitFor(() => expect(again.rounds.facts().phase).toBe("none"));
  await trainsAfresh(again);
});

/** Somebody takes back a label that is being trained on. */
async function takeBack(board: Board): Promise<void> {
  const at = board.samples.findIndex(({ path }) => hasTrained(board.jobs[0], path));
  await board.rounds.forget([board.samples[at]!.sha256]);
  board.samples.splice(at, 1);
}

/** Asks for a round, which trains from the base whatever serves. @returns its end */
async function trainsAfresh(board: Board): Promise<() => Promise<unknown>> {
  const before = board.jobs.length;
  const running = request(board).catch(() => undefined);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(before + 1));
  expect(board.jobs.at(-1)).toMatchObject({ kind: "train" });
  expect(board.jobs.at(-1)).not.toHaveProperty("start");
  return () => running;
}

test("what must not meet a round is refused while one runs, and no round begins before it is done", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const running = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await expect(board.rounds.whileIdle(async () => {})).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  finish(verdict(true));
  await running;
  await board.rounds.whileIdle(async () => {
    await expect(request(board)).rejects.toMatchObject({ code: "ROUND_RUNNING" });
  });
});

test("a round that waits gives way to what must not meet it, and is made up for", async () => {
  const board = await opened(await temporaryFolder(), endless);
  const running = request(board);
  await phase(board, "training");
  board.board.availableBytes = 1;
  board.clock.pass(5000);
  await phase(board, "paused");
  const seen: string[] = [];
  await board.rounds.whileIdle(async () => void seen.push(board.rounds.state().tag));
  expect(seen).toEqual(["idle"]);
  expect(await running).toMatchObject({ outcome: { tag: "failed", code: "CANCELLED" } });
  expect(board.rounds.facts()).toMatchObject({ owed: true, failuresInARow: 0 });
});

const INCUMBENT = { sha256: "e".repeat(64), path: "incumbent" };

const hasTrained = (job: Parameters<RunJob>[0] | undefined, path: string): boolean =>
  job?.kind === "train" && job.samples.some((sample) => sample.path === path);

/** A round that runs until it is told to end. */
const endless = () => new Promise<Verdict>(() => {});
const phase = (board: Board, tag: string) => vi.waitFor(() => expect(board.rounds.state().tag).toBe(tag));

test("a running training is held at once when the board wants it so, and goes on when there is room to spare", async () => {
  const board = await opened(await temporaryFolder(), endless);
  void request(board);
  await phase(board, "training");
  board.board.temperature = 79;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.process.hold).toHaveBeenCalledOnce());
  await waitsFor(board, "TOO_HOT");
  board.board.temperature = 72;
  board.clock.pass(5000);
  await waitsFor(board, "TOO_HOT");
  expect(board.process.release).not.toHaveBeenCalled();
  board.board.temperature = 60;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.process.release).toHaveBeenCalledOnce());
  expect(board.rounds.facts()).toMatchObject({ phase: "training", pauses: 1 });
  expect(board.jobs).toHaveLength(1);
});

test("held for a minute, or for want of memory, training is put down, and goes on later as the same round", async () => {
  let finish = (_: Verdict) => {};
  const board = await opened(await temporaryFolder(), () => new Promise((resolve) => (finish = resolve)));
  const round = request(board);
  await phase(board, "training");
  board.board.temperature = 79;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.process.hold).toHaveBeenCalledOnce());
  for (let look = 0; look < 14; look++) {
    board.clock.pass(5000);
    await new Promise(setImmediate);
  }
  await phase(board, "paused");
  board.board.temperature = 40;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(2));
  expect(board.jobs[1]).toEqual(board.jobs[0]);
  board.board.availableBytes = 1;
  board.clock.pass(5000);
  await phase(board, "paused");
  board.board.availableBytes = 1e9;
  board.clock.pass(5000);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(3));
  finish(verdict(true));
  expect(await round).toMatchObject({ id: 1, outcome: { tag: "accepted" }, pauses: 2 });
});

test("a round that is asked for while the board has no room for it waits, and trains when it has", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  board.board.temperature = 90;
  const round = request(board);
  await phase(board, "paused");
  expect(board.jobs).toEqual([]);
  board.board.temperature = 40;
  board.clock.pass(5000);
  expect(await round).toMatchObject({ id: 1, outcome: { tag: "accepted" } });
});

test("a round put down before a restart goes on after it, under its own number", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, endless);
  void request(board).catch(() => {});
  await phase(board, "training");
  board.board.availableBytes = 1;
  board.clock.pass(5000);
  await phase(board, "paused");
  const next = await opened(folder, async () => verdict(true));
  await ended(next);
  expect(next.rounds.history()).toMatchObject([{ id: 1, outcome: { tag: "accepted" } }]);
  expect(next.jobs).toEqual(board.jobs);
});

test("after a power cut the next round goes on with the very same work, though samples have come since", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, endless);
  void request(board);
  await phase(board, "training");
  const next = await opened(folder, async () => verdict(true), { samples: sampleList(11) });
  await waitsFor(next, "COOLING_DOWN");
  next.clock.pass(60_000);
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
  expect(next.jobs[0]).toEqual(board.jobs[0]);
  expect(next.rounds.history().at(-1)).toMatchObject({ id: 2, continues: 1 });
  expect(next.rounds.newSamples()).toHaveLength(2);
});

const SHADOW = { minInferences: 20 };
const answering = (board: Board, count: number) => {
  const output = { label: "one", confidence: 0.9, probabilities: Float32Array.of(0.9, 0.1) };
  return Array.from({ length: count }, () => board.rounds.seen(tensor("float32", [1], new Float32Array(1)), output));
};
const shadowed = async (board: Board, inferences: number) => {
  for (let at = 0; at < inferences; at++) {
    answering(board, 1);
    for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
  }
};

test("what passed the gate answers live inferences beside the current adapter before it serves", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true), { shadow: SHADOW });
  const round = request(board);
  await phase(board, "shadowing");
  await shadowed(board, 19);
  expect(board.keeper.install).not.toHaveBeenCalled();
  await shadowed(board, 1);
  expect(await round).toMatchObject({ outcome: { tag: "accepted", reason: "GAIN" }, shadow: { inferences: 20 } });
  expect(board.keeper.install).toHaveBeenCalledOnce();
  expect(board.sessions.events.at(-1)).toBe("close candidate");
});

test("after a clean stop or a power cut the shadow goes on from its counts, and the training is not done again", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, async () => verdict(true), { shadow: SHADOW });
  void request(board).catch(() => {});
  await phase(board, "shadowing");
  await shadowed(board, 8);
  await board.rounds.stop();
  const second = await opened(folder, endless, { shadow: SHADOW });
  await shadowed(second, 8);
  second.clock.pass(60_000);
  await vi.waitFor(() => expect(second.rounds.state()).toMatchObject({ shadow: { inferences: 16 } }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const third = await opened(folder, endless, { shadow: SHADOW });
  await shadowed(third, 4);
  await ended(third);
  expect(third.rounds.history()).toMatchObject([{ id: 1, shadow: { inferences: 20 }, outcome: { tag: "accepted" } }]);
  expect([...second.jobs, ...third.jobs]).toEqual([]);
});

test("a flood of inferences is looked at as far as there is time, and nobody waits", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true), { shadow: SHADOW });
  void request(board);
  await phase(board, "shadowing");
  answering(board, 1000);
  expect(board.sessions.events.filter((event) => event.startsWith("classify"))).toEqual([]);
  await shadowed(board, 2);
  expect(board.sessions.events.filter((event) => event.startsWith("classify")).length).toBeLessThan(10);
});

test.each([
  ["commit", "accepted", "GAIN"],
  ["wait", "rejected", "SHADOW_NO_MEMORY"],
] as const)("without memory for a second session, and %s configured, the candidate is %s", async (way, tag, reason) => {
  const shadow = { ...SHADOW, whenMemoryIsShort: way, minFreeBytes: 2e9, maxSeconds: 60 };
  const board = await opened(await temporaryFolder(), async () => verdict(true), { shadow });
  const round = request(board);
  if (way === "wait") {
    await phase(board, "shadowing");
    await new Promise((resolve) => setTimeout(resolve, 50));
    board.clock.pass(60_000);
  }
  expect(await round).toMatchObject({ outcome: { tag, reason } });
  expect(board.sessions.events).toEqual([]);
  expect(board.keeper.refuse).not.toHaveBeenCalled();
});

test("a round that builds upon an adapter taken out of service ends, and is nobody's failure", async () => {
  const board = await opened(await temporaryFolder(), endless, { incumbent: () => INCUMBENT });
  const round = request(board);
  await phase(board, "training");
  board.rounds.servingChanged();
  expect(board.process.end).not.toHaveBeenCalled();
  board.barred.add(INCUMBENT.sha256);
  board.rounds.servingChanged();
  expect((await round).outcome).toMatchObject({ tag: "failed", code: "ROUND_OVERTAKEN" });
  expect(board.rounds.facts()).toMatchObject({ failuresInARow: 0 });
});

test("a candidate that must not serve is not installed, whatever the gate says, and why is told", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  board.keeper.objectionTo.mockReturnValue("SAME_AS_REFUSED");
  expect((await request(board)).outcome).toMatchObject({ tag: "rejected", reason: "SAME_AS_REFUSED" });
  expect(board.keeper.install).not.toHaveBeenCalled();
  expect(board.onTrained).not.toHaveBeenCalled();
});

test("two models of one board ask each other who trains: one asked for beside the other waits, and goes on after it", async () => {
  let finish = (_: Verdict) => {};
  const board: { [name: string]: Board } = {};
  const other = (name: string) => () => (board[name]?.rounds.isTraining() ? name : null);
  const work = () => new Promise<Verdict>((resolve) => (finish = resolve));
  const ears = await opened(await temporaryFolder(), work, { elsewhere: other("eyes") });
  const eyes = await opened(await temporaryFolder(), async () => verdict(false), { elsewhere: other("ears") });
  Object.assign(board, { ears, eyes });

  const first = request(ears);
  await vi.waitFor(() => expect(ears.jobs).toHaveLength(1));
  const second = request(eyes);
  await vi.waitFor(() => expect(eyes.rounds.state()).toMatchObject({ reason: "OTHER_MODEL_TRAINS" }));
  eyes.clock.pass(GOVERNOR.lookMs);
  await waitsFor(eyes, "OTHER_MODEL_TRAINS");
  expect(eyes.jobs).toEqual([]);
  expect(eyes.rounds.isTraining()).toBe(false);

  finish(verdict(false));
  await first;
  eyes.clock.pass(GOVERNOR.lookMs);
  expect((await second).outcome).toMatchObject({ tag: "rejected", reason: "NO_GAIN" });
});

test("of two rounds that wait for another model's, one goes on, and the other when that has ended", async () => {
  const names = ["ears", "eyes", "nose"];
  const boards: { [name: string]: Board } = {};
  const finish: { [name: string]: () => void } = {};
  for (const name of names) {
    const work = () => new Promise<Verdict>((resolve) => (finish[name] = () => resolve(verdict(false))));
    const elsewhere = () => names.find((other) => other !== name && boards[other]?.rounds.isTraining()) ?? null;
    boards[name] = await opened(await temporaryFolder(), work, { elsewhere });
  }
  const { ears, eyes, nose } = boards as { [_ in "ears" | "eyes" | "nose"]: Board };
  const first = request(ears);
  await vi.waitFor(() => expect(finish.ears).toBeDefined());
  const others = { eyes: request(eyes), nose: request(nose) };
  for (const board of [eyes, nose])
    await vi.waitFor(() => expect(board.rounds.state()).toMatchObject({ reason: "OTHER_MODEL_TRAINS" }));
  finish.ears!();
  await first;

  const look = () => {
    for (const { clock } of [eyes, nose]) clock.pass(GOVERNOR.lookMs);
  };
  look();
  await vi.waitFor(() => expect(eyes.jobs.length + nose.jobs.length).toBe(1));
  look();
  await waitsFor(eyes.jobs.length === 0 ? eyes : nose, "OTHER_MODEL_TRAINS");
  expect(eyes.jobs.length + nose.jobs.length).toBe(1);
  const [now, then] = eyes.jobs.length === 1 ? (["eyes", "nose"] as const) : (["nose", "eyes"] as const);
  finish[now]!();
  await others[now];
  look();
  await vi.waitFor(() => expect(finish[then]).toBeDefined());
  finish[then]!();
  expect((await others[then]).outcome).toMatchObject({ tag: "rejected" });
});

test("whatever step of a round the power goes at, the rounds after it bring the adapter to serve", async () => {
  await atEveryStep(async (step) => {
    const folder = await temporaryFolder();
    const { disk, died } = dyingDisk(nodeDisk, step);
    await opened(folder, async () => verdict(true), { disk, shadow: { minInferences: 1, minFreeBytes: 2e9 } })
      .then((board) => Promise.race([request(board), new Promise((resolve) => setTimeout(resolve, 300))]))
      .catch(() => undefined);
    const next = await opened(folder, async () => verdict(true));
    expect(next.problems).toEqual([]);
    if (next.rounds.newSamples().length > 0) {
      await vi.waitFor(() => expect(next.rounds.facts().phase).toBe("none"));
      expect((await request(next)).outcome.tag).toBe("accepted");
    }
    expect(next.rounds.newSamples()).toEqual([]);
    expect(next.rounds.history().filter(({ outcome }) => outcome.tag === "running")).toEqual([]);
    return died();
  });
}, 120_000);

test("records of the version before are read", () => {
  const round = { id: 1, kind: "train", trigger: "samples", startedAt: "2026-11-01T00:00:00.000Z", seconds: 3 };
  const rest = { samples: { train: 8, heldOut: 2 }, adapter: null, metrics: null, outcome: { tag: "running" } };
  const history = { format: 1, nextId: 2, rounds: [{ ...round, ...rest }] };
  expect(historySchema.parse(history)).toEqual(history);
});
