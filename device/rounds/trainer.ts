import { readFile } from "node:fs/promises";
import { createMemoryRows } from "../../runtime/cache/index.ts";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import {
  adapt,
  appraise,
  createPreprocessor,
  decodeAdapter,
  loadModel,
  type OpenRows,
  type Preprocessor,
  type Sample,
} from "../../runtime/index.ts";
import { keepOnlyRowFiles, openRowFile } from "../cache/row-file.ts";
import { checkpointFile } from "../disk/checkpoint-file.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { ownUsage } from "../governor/process-usage.ts";
import { nodeSystem } from "../governor/system.ts";
import { preprocessingId, sampleFeatures } from "../samples/features.ts";
import { type Job, jobSchema } from "./job.ts";
import { HEARTBEAT_MS, type TrainerMessage, type Verdict } from "./job-messages.ts";

// The training process: forked for one job, gone after it. It gives way to everything else on the board, and an
// out-of-memory kill takes it and not inference. Asked to end, it puts down what it has learnt.

const ending = new AbortController();
let isDone = false;
process.on("SIGTERM", () => ending.abort());
// Ctrl-C in a terminal reaches the whole group; the daemon says what is to be done.
process.on("SIGINT", () => undefined);
// Also by itself, when it has said everything.
process.on("disconnect", () => process.exit(isDone ? 0 : 1));
process.once("message", (message) => void work(jobSchema.parse(message)));

async function work(job: Job): Promise<void> {
  const heartbeat = setInterval(() => say({ tag: "alive" }), HEARTBEAT_MS);
  try {
    const verdict = await (job.kind === "train" ? train(job) : judge(job));
    say({ tag: "usage", usage: await ownUsage(nodeSystem()) });
    say({ tag: "done", verdict });
  } catch (error) {
    say({ tag: "usage", usage: await ownUsage(nodeSystem()) });
    say(failure(error));
  } finally {
    clearInterval(heartbeat);
    isDone = true;
    process.disconnect();
  }
}

type Of<K extends Job["kind"]> = Extract<Job, { kind: K }>;

async function train(job: Of<"train">): Promise<Verdict> {
  const model = await loadModel(job.model);
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const madeBy = preprocessingId(model.card.preprocessing);
  const samples = await features(job.samples, preprocessor, madeBy);
  const heldOut = await features(job.heldOut, preprocessor, madeBy);
  const start = job.start === undefined ? undefined : decodeAdapter(await readFile(job.start), job.start);
  const checkpoint = job.checkpoint === undefined ? undefined : checkpointIn(job.checkpoint);
  const { adapter, decision } = await adapt({
    model,
    samples: samples.read,
    heldOut: heldOut.read,
    method: job.method,
    ...(job.epochs !== undefined && { epochs: job.epochs }),
    ...(start && { start }),
    // Only when the candidate is on the disk has the checkpoint had its use.
    ...(checkpoint && { checkpoint: { ...checkpoint, clear: async () => undefined } }),
    signal: ending.signal,
    ...(job.cache && job.cache.maxBytes > 0 && { openRows: rowsIn(job.cache) }),
    ...(job.align !== undefined && { align: job.align }),
    seed: job.seed,
    threads: job.threads,
    gate: job.gate,
    board: job.board,
    contributors: [job.board],
    createdAt: job.createdAt,
    clockMs: () => performance.now(),
    onProgress: (progress) => say({ tag: "progress", progress }),
  }).catch(async (error) => {
    // The same again would diverge again.
    await (errorCode(error) === "DIVERGED" ? checkpoint?.clear() : checkpoint?.flush());
    throw error;
  });
  await writeDurably(nodeDisk, job.output, adapter.bytes);
  await checkpoint?.clear();
  return {
    decision,
    metrics: adapter.description.metrics,
    sha256: adapter.sha256,
    unreadable: [...samples.unreadable, ...heldOut.unreadable],
  };
}

/** Epochs may be short, and cards wear. */
const CHECKPOINT_EVERY_MS = 10_000;

const checkpointIn = (path: string) =>
  checkpointFile({ disk: nodeDisk, path, everyMs: CHECKPOINT_EVERY_MS, clockMs: () => performance.now() });

/** Rows of this model and frontier; those of others are of no more use. A cache that cannot be opened is none. */
const rowsIn =
  ({ folder, maxBytes }: NonNullable<Of<"train">["cache"]>): OpenRows =>
  async ({ name, rowBytes }) => {
    try {
      await nodeDisk.makeFolder(folder);
      await keepOnlyRowFiles(nodeDisk, folder, new Set([name]));
      return await openRowFile({ folder, name, rowBytes, maxBytes });
    } catch {
      return createMemoryRows({ rowBytes, maxBytes: Number.MAX_SAFE_INTEGER });
    }
  };

async function judge(job: Of<"appraise">): Promise<Verdict> {
  const model = await loadModel(job.model);
  const { preprocessing } = model.card;
  const samples = await features(job.samples, createPreprocessor(preprocessing), preprocessingId(preprocessing));
  const candidate = decodeAdapter(await readFile(job.candidate), job.candidate);
  const incumbent =
    job.incumbent === undefined ? undefined : decodeAdapter(await readFile(job.incumbent), job.incumbent);
  const { decision, metrics } = await appraise({
    model,
    candidate,
    ...(incumbent && { incumbent }),
    samples: samples.read,
    policy: job.gate,
    threads: job.threads,
  });
  return { decision, metrics, sha256: candidate.sha256, unreadable: samples.unreadable };
}

/** A sample that went bad on the medium must not stop the others from being learnt. */
async function features(files: Of<"train">["samples"], preprocessor: Preprocessor, madeBy: string) {
  const read: Sample[] = [];
  const unreadable: Verdict["unreadable"] = [];
  for (const { path, label } of files) {
    try {
      read.push({ features: await sampleFeatures(path, preprocessor, madeBy), label });
    } catch (error) {
      unreadable.push({ path, message: error instanceof Error ? error.message : String(error) });
    }
  }
  return { read, unreadable };
}

/** An error's facts, to be made an error again on the other side. */
function failure(error: unknown): TrainerMessage {
  const message = error instanceof Error ? error.message : String(error);
  const { at, found, wanted } = error instanceof LichenError ? error.details : {};
  return {
    tag: "failed",
    code: errorCode(error),
    message,
    ...(at !== undefined && { at }),
    ...(found !== undefined && { found: `${found}` }),
    ...(wanted !== undefined && { wanted: `${wanted}` }),
  };
}

const say = (message: TrainerMessage): void => void process.send?.(message);
