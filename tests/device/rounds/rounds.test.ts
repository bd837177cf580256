import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { stateFile } from "../../../device/disk/state-file.ts";
import type { RunJob } from "../../../device/rounds/child.ts";
import type { Verdict } from "../../../device/rounds/job.ts";
import { historySchema, NO_HISTORY } from "../../../device/rounds/record.ts";
import { NO_ROLES, rolesSchema } from "../../../device/rounds/roles.ts";
import { createRounds } from "../../../device/rounds/rounds.ts";
import type { Sample } from "../../../device/samples/store.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { decodeFake, fakeAdapter } from "../adapters/fakes.ts";
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

/** Rounds over a folder; the folder outlives it, as a disk outlives a process. */
async function opened(
  folder: string,
  runJob: RunJob,
  samples: Sample[] = sampleList(9),
  incumbentPath: () => string | undefined = () => undefined,
) {
  const clock = testClock();
  const candidate = join(folder, "candidate.safetensors");
  const adapters = { install: vi.fn(async () => {}), refuse: vi.fn(async () => {}) };
  const onTrained = vi.fn();
  const jobs: Parameters<RunJob>[0][] = [];
  const rounds = createRounds({
    policy: { minNewSamples: 10, settleMs: 1000, retryMs: 60_000, holdOut: 0.2 },
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
    adapters,
    incumbentPath,
    decode: decodeFake,
    async runJob(job, run) {
      jobs.push(job);
      if (job.kind === "train") await writeFile(job.output, CANDIDATE.bytes);
      return runJob(job, run);
    },
    history: stateFile(nodeDisk, join(folder, "history.json"), historySchema, NO_HISTORY),
    roles: stateFile(nodeDisk, join(folder, "roles.json"), rolesSchema, NO_ROLES),
    disk: nodeDisk,
    clock,
    log: silent,
    onTrained,
  });
  await rounds.start();
  return { rounds, clock, adapters, onTrained, jobs, samples };
}

const request = (board: Awaited<ReturnType<typeof opened>>) => board.rounds.request(() => {});
const ended = (board: Awaited<ReturnType<typeof opened>>) =>
  vi.waitFor(() => expect(board.rounds.history().at(-1)?.outcome.tag ?? "running").not.toBe("running"));

test("an accepted adapter is installed, then told; its samples are no longer new", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true));
  const round = await request(board);
  expect(round).toMatchObject({
    id: 1,
    outcome: { tag: "accepted", reason: "GAIN" },
    samples: { train: 7, heldOut: 2 },
  });
  expect(board.adapters.install).toHaveBeenCalledWith(CANDIDATE);
  expect(board.onTrained).toHaveBeenCalledWith(CANDIDATE, round);
  expect(board.rounds.newSamples()).toEqual([]);
});

test("a rejected adapter is refused and not told; its samples have had their round", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(false));
  expect((await request(board)).outcome).toMatchObject({ tag: "rejected", reason: "NO_GAIN" });
  expect(board.adapters.refuse).toHaveBeenCalledWith(CANDIDATE.sha256, "NO_GAIN");
  expect(board.adapters.install).not.toHaveBeenCalled();
  expect(board.onTrained).not.toHaveBeenCalled();
  expect(board.rounds.newSamples()).toEqual([]);
});

test("a crash is a failed round: nothing installed, nothing refused, the samples still new", async () => {
  const board = await opened(await temporaryFolder(), async () => {
    throw new LichenError("ROUND_CRASHED", { found: "signal SIGKILL" });
  });
  expect((await request(board)).outcome).toMatchObject({ tag: "failed", code: "ROUND_CRASHED" });
  expect(board.adapters.install).not.toHaveBeenCalled();
  expect(board.adapters.refuse).not.toHaveBeenCalled();
  expect(board.rounds.newSamples()).toHaveLength(9);
});

test("a candidate file that is not what the training process spoke of is not served", async () => {
  const board = await opened(await temporaryFolder(), async () => verdict(true, "f".repeat(64)));
  expect((await request(board)).outcome).toMatchObject({ tag: "failed", code: "ADAPTER_CORRUPT" });
  expect(board.adapters.install).not.toHaveBeenCalled();
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
    samples,
  );
  samples.push(...sampleList(10));
  board.rounds.sampleStored();
  expect(board.rounds.outlook()).toMatchObject({ reason: "SAMPLES_ARRIVING" });
  board.clock.pass(1000);
  await ended(board);
  await vi.waitFor(() => expect(board.rounds.outlook()).toMatchObject({ reason: "COOLING_DOWN" }));
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
  const board = await opened(
    folder,
    (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new LichenError("CANCELLED")))),
  );
  const round = request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  await board.rounds.stop();
  expect((await round).outcome).toMatchObject({ tag: "failed", code: "CANCELLED" });
  const next = await opened(folder, async () => verdict(true), sampleList(4));
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
});

test("a round cut off by a power cut is known after the restart, and made up for", async () => {
  const folder = await temporaryFolder();
  const board = await opened(folder, () => new Promise(() => {}));
  void request(board);
  await vi.waitFor(() => expect(board.jobs).toHaveLength(1));
  const next = await opened(folder, async () => verdict(true));
  expect(next.rounds.history()).toMatchObject([{ id: 1, outcome: { tag: "failed", code: "ROUND_INTERRUPTED" } }]);
  expect(next.rounds.outlook()).toMatchObject({ reason: "COOLING_DOWN" });
  next.clock.pass(60_000);
  await vi.waitFor(() => expect(next.onTrained).toHaveBeenCalledOnce());
});

test("an adapter of the fleet is judged by what ours was not trained on, then served or refused", async () => {
  let accepted = true;
  const board = await opened(await temporaryFolder(), async (job) =>
    job.kind === "train" ? verdict(true) : verdict(accepted, CANDIDATE.sha256),
  );
  await request(board);
  const foreign = fakeAdapter("theirs");
  expect((await board.rounds.appraise(foreign)).outcome.tag).toBe("accepted");
  expect(board.jobs.at(-1)).toMatchObject({ kind: "appraise", samples: { length: 2 } });
  expect(board.adapters.install).toHaveBeenLastCalledWith(foreign);
  accepted = false;
  expect((await board.rounds.appraise(foreign)).outcome.tag).toBe("rejected");
  expect(board.onTrained).toHaveBeenCalledOnce();
});

test("a round after a trained label was taken back does without the sample and starts from the base, the one after that does not", async () => {
  const folder = await temporaryFolder();
  const board = await opened(
    folder,
    async () => verdict(true),
    sampleList(9),
    () => "incumbent",
  );
  await request(board);
  expect(board.jobs[0]).toMatchObject({ start: "incumbent" });
  const taken = board.samples.find(({ path }) => hasTrained(board.jobs[0], path))!;
  board.samples.splice(board.samples.indexOf(taken), 1);
  await board.rounds.forget([taken.sha256]);
  const next = await opened(
    folder,
    async () => verdict(true),
    board.samples,
    () => "incumbent",
  );
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

const hasTrained = (job: Parameters<RunJob>[0] | undefined, path: string): boolean =>
  job?.kind === "train" && job.samples.some((sample) => sample.path === path);
