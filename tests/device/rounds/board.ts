import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, vi } from "vitest";
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
import { silent } from "../fixtures.ts";

const score = (accuracy: number) => ({ heldOut: { samples: 5, accuracy, loss: 0 }, rehearsal: null });
export const CANDIDATE = fakeAdapter("candidate");

export const verdict = (accepted: boolean, sha256 = CANDIDATE.sha256): Verdict => ({
  decision: { accepted, reason: accepted ? "GAIN" : "NO_GAIN", explanation: "because" },
  metrics: { before: score(0.5), after: score(0.9) },
  sha256,
  unreadable: [],
});

export const sampleList = (count: number): Sample[] =>
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
export async function opened(folder: string, work: Work, changes: Changes = {}) {
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
export const GOVERNOR = governorPolicy(
  governorSchema.parse({ restSeconds: 1 }),
  { minNewSamples: 10, settleMs: 1000, retryMs: 60_000 },
  "UTC",
);
const NOTHING_TO_READ = { read: async () => null, list: async () => [], run: async () => null };

export const request = (board: Board) => board.rounds.request(() => {});
export const ended = (board: Board) =>
  vi.waitFor(() => expect(board.rounds.history().at(-1)?.outcome.tag ?? "running").not.toBe("running"));
export const waitsFor = (board: Board, code: string) =>
  vi.waitFor(() => expect(board.rounds.ruling()).toMatchObject({ reasons: [{ code }] }));
export type Board = Awaited<ReturnType<typeof opened>>;

export const INCUMBENT = { sha256: "e".repeat(64), path: "incumbent" };

export const hasTrained = (job: Parameters<RunJob>[0] | undefined, path: string): boolean =>
  job?.kind === "train" && job.samples.some((sample) => sample.path === path);

/** A round that runs until it is told to end. */
export const endless = () => new Promise<Verdict>(() => {});
export const phase = (board: Board, tag: string) => vi.waitFor(() => expect(board.rounds.state().tag).toBe(tag));
export const answering = (board: Board, count: number) => {
  const output = { label: "one", confidence: 0.9, probabilities: Float32Array.of(0.9, 0.1) };
  return Array.from({ length: count }, () => board.rounds.seen(tensor("float32", [1], new Float32Array(1)), output));
};
