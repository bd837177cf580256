import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { labelledSchema, type SamplesAnswer, samplesSchema } from "../../device/api/sample-schemas.ts";
import {
  inferSchema,
  rollbackSchema,
  roundEventSchema,
  roundsSchema,
  storedSchema,
  useSchema,
} from "../../device/api/schemas.ts";
import { createClassifier, createPreprocessor, decodeAdapter, loadModel } from "../../runtime/index.ts";
import { MODEL, type Recording } from "../e2e/board.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { filesBelow, type Victim } from "./victim.ts";

/** What a board went through, as those remember it who used it. */
export interface Life {
  /** By sha256: the label; null: nobody has named it. */
  readonly samples: Ledger<string | null>;
  /** Under `serving`: the adapter that a person, or a round, was told of; null: the base. */
  readonly adapter: Ledger<string | null>;
  /** Adapters that a person rolled back. */
  readonly rolledBack: Set<string>;
}

export const newLife = (): Life => ({ samples: createLedger(), adapter: createLedger(), rolledBack: new Set() });

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const hashOf = async (file: string) => sha256Of(await readFile(file));

/** Samples by folder; each is acknowledged when its file is gone. */
export async function bringByFolder(board: Victim, { samples }: Life, recordings: readonly Recording[]): Promise<void> {
  const asked = recordings.map(async ({ file, label }, at) =>
    samples.ask(await hashOf(file), label, async () => {
      const path = await board.drop(file, join(label, `${at}-${basename(file)}`));
      await board.until(async () => expect(await stat(path).catch(() => null)).toBeNull());
    }),
  );
  // None is left behind, to fail when nobody looks any more.
  for (const { status, ...outcome } of await Promise.allSettled(asked))
    if (status === "rejected") throw (outcome as PromiseRejectedResult).reason;
}

/** Samples over HTTP; without their label they are to be named later. */
export async function bringByHttp(
  { client }: Victim,
  { samples }: Life,
  recordings: readonly Recording[],
  isNamed: boolean,
): Promise<void> {
  for (const { file, label } of recordings) {
    const bytes = await readFile(file);
    const path = `/v1/samples?name=x.wav&${isNamed ? `label=${label}` : "unlabelled"}`;
    await samples.ask(sha256Of(bytes), isNamed ? label : null, () => client.post(path, storedSchema, bytes));
  }
}

/** A person names a sample, or with null takes its label back. */
export async function name(
  { client }: Victim,
  { samples }: Life,
  { file }: Recording,
  label: string | null,
): Promise<void> {
  const sha256 = await hashOf(file);
  await samples.ask(sha256, label, () => client.post("/v1/labels", labelledSchema, { label, samples: { sha256 } }));
}

/** A round by request. @returns the adapter that serves since then, or null where the gate refused it */
export async function train({ client }: Victim, { adapter }: Life): Promise<string | null> {
  for await (const event of client.follow("/v1/adapt", roundEventSchema)) {
    if (event.tag === "failed") throw new Error(event.error.message);
    if (event.tag !== "done") continue;
    const { outcome, adapter: trained } = event.round;
    if (outcome.tag !== "accepted") return null;
    adapter.settle("serving", trained);
    return trained;
  }
  throw new Error("a round without an end");
}

/** What a person takes out of service must not come back by itself. */
export async function rollBack({ client }: Victim, { adapter, rolledBack }: Life, from: string): Promise<void> {
  await adapter.ask("serving", null, () => client.post("/v1/rollback", rollbackSchema));
  rolledBack.add(from);
}

export async function pin({ client }: Victim, { adapter, rolledBack }: Life, sha256: string): Promise<void> {
  rolledBack.delete(sha256);
  await adapter.ask("serving", sha256, () => client.post(`/v1/use?adapter=${sha256}`, useSchema));
}

/** All that must hold of a board after the power came back, and nobody did anything. */
export async function expectWhole(board: Victim, life: Life, probe: Recording): Promise<void> {
  await expectSamples(board, life);
  await expectAnswer(board, probe);
  await expectRest(board);
  await expectServing(board, life);
}

/** Every sample that was acknowledged is there, under its label, in one file that holds what came. */
export async function expectSamples(board: Victim, { samples }: Life): Promise<void> {
  const told = async () => labelsIn(await board.client.get("/v1/samples", samplesSchema));
  const found = await told();
  for (const sha256 of samples.keys()) {
    const label = found.get(sha256);
    expect(samples.allowed(sha256), `what sample ${sha256} is called`).toContain(label);
    // What still lies in the watched folder will be taken yet.
    if (label !== undefined) samples.settle(sha256, label);
  }
  const [files, hashes] = await board.until(async () => {
    const files = (await filesBelow(join(board.data, "samples"))).filter((file) => file.endsWith(".wav"));
    const hashes = [...(await told()).keys()];
    expect(files.length, "one file for each sample").toBe(hashes.length);
    return [files, hashes] as const;
  });
  expect(files.map((file) => basename(file, ".wav")).sort()).toEqual([...hashes].sort());
  for (const file of files) expect(await hashOf(file)).toBe(basename(file, ".wav"));
}

const labelsIn = ({ samples, unlabelled }: SamplesAnswer): Map<string, string | null> =>
  new Map([
    ...samples.map(({ sha256, label }) => [sha256, label] as const),
    ...unlabelled.map(({ sha256 }) => [sha256, null] as const),
  ]);

/** Whatever serves is whole: it answers as the engine does with that adapter's file. */
export async function expectAnswer({ client, data }: Victim, probe: Recording): Promise<void> {
  const body = await readFile(probe.file);
  const { adapter, probabilities } = await client.post("/v1/infer?name=probe.wav", inferSchema, body);
  const file = join(data, "adapters", `${adapter}.safetensors`);
  expect(probabilities).toEqual(await answerOf(body, adapter === null ? undefined : file));
}

const model = loadModel(MODEL);

async function answerOf(body: Uint8Array, file: string | undefined): Promise<Record<string, number>> {
  const { card } = await model;
  const adapter = file === undefined ? undefined : decodeAdapter(await readFile(file), file);
  if (adapter !== undefined) expect(file).toContain(adapter.sha256);
  const classifier = await createClassifier(await model, { threads: 1, ...(adapter && { adapter }) });
  try {
    const features = await createPreprocessor(card.preprocessing).features(body, "probe");
    const { probabilities } = await classifier.classify(features);
    return Object.fromEntries(card.labels.map((label, at) => [label, probabilities[at]!]));
  } finally {
    await classifier.close();
  }
}

/** Rounds come to an end, nothing is told as wrong, and nothing half-written is left. */
export async function expectRest(board: Victim): Promise<void> {
  await board.until(async () => {
    const { round } = await board.status();
    // What a person has pinned holds back what is owed.
    if (!round.reasons?.some(({ code }) => code === "HELD")) expect(round.phase).toBe("idle");
    expect(round.last?.outcome.tag).not.toBe("running");
    // A round that begins meanwhile has files of its own under way.
    const left = (await filesBelow(board.data)).filter((file) => /\.(tmp|erasing|before|damaged)$/.test(file));
    expect(left, "left for ever").toEqual([]);
  });
  expect((await board.status()).problems).toEqual([]);
}

/** What was told serves, or what was being asked for, or what a round has brought since; never what a person took back. */
async function expectServing({ client, status }: Victim, { adapter, rolledBack }: Life): Promise<void> {
  const { serving } = (await status()).adapter;
  const { rounds } = await client.get("/v1/rounds", roundsSchema);
  const learnt = rounds.filter(({ outcome }) => outcome.tag === "accepted").map((round) => round.adapter);
  const allowed = [...adapter.allowed("serving").map((sha256) => sha256 ?? null), ...learnt];
  expect(allowed).toContain(serving);
  if (serving !== null) expect([...rolledBack]).not.toContain(serving);
  adapter.settle("serving", serving);
}
