import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { z } from "zod";
import type { Objection } from "../../../device/adapters/standing.ts";
import { type Disk, nodeDisk } from "../../../device/disk/disk.ts";
import { stateFile } from "../../../device/disk/state-file.ts";
import { governorPolicy, governorSchema } from "../../../device/governor/config.ts";
import type { BoardFacts } from "../../../device/governor/facts.ts";
import { govern } from "../../../device/governor/govern.ts";
import { createResourceMeter } from "../../../device/governor/resources.ts";
import type { RunJob } from "../../../device/rounds/child.ts";
import { shadowSchema } from "../../../device/rounds/config.ts";
import type { Verdict } from "../../../device/rounds/job.ts";
import { NO_ROUND, roundFileSchema } from "../../../device/rounds/machine.ts";
import { NO_PLAN, planSchema } from "../../../device/rounds/plan.ts";
import { historySchema, NO_HISTORY } from "../../../device/rounds/record.ts";
import { NO_ROLES, rolesSchema } from "../../../device/rounds/roles.ts";
import { createRounds } from "../../../device/rounds/rounds.ts";
import type { Sample } from "../../../device/samples/store.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { decodeFake, fakeAdapter, fakeSessions } from "../adapters/fakes.ts";
import { testClock } from "../clock.ts";
import { silent, temporaryFolder } from "../fixtures.ts";

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
}

/** Rounds over a folder; the folder outlives it, as a disk outlives a process. */
async function opened(folder: string, work: Work, changes: Changes = {}) {
  const { samples = sampleList(9), incumbent = () => null, shadow = {}, disk = nodeDisk } = changes;
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

const INCUMBENT = { sha256: "e".repeat(64), path: "incumbent" };

const hasTrained = (job: Parameters<RunJob>[0] | undefined, path: string): boolean =>
  job?.kind === "train" && job.samples.some((sample) => sample.path === path);
