import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { packTar } from "modern-tar";
import { expect, test } from "vitest";
import { exportSamples, importSamples } from "../../../device/samples/archive.ts";
import type { SampleStore } from "../../../device/samples/store.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { bytesOf, temporaryFolder } from "../fixtures.ts";
import { hashOf, opened, wav } from "./stores.ts";

const MODEL = "c".repeat(64);
const about = {
  device: "box",
  model: { id: "digits", version: "1.0.0", sha256: MODEL },
  exportedAt: "2026-11-24T10:00:00.000Z",
};
const PREDICTION = { label: "one", confidence: 0.5, adapter: null };

const archiveOf = async (store: SampleStore) =>
  new Uint8Array(await new Response(exportSamples(store.all(), about, readFile)).arrayBuffer());

const streamOf = (bytes: Uint8Array, chunk = 1000) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += chunk) controller.enqueue(bytes.slice(at, at + chunk));
      controller.close();
    },
  });

const taken = (store: SampleStore, archive: Uint8Array, modelSha256 = MODEL) =>
  importSamples(streamOf(archive), { take: (sample) => store.add(sample), modelSha256, maxFileBytes: 10_000 });

const known = (store: SampleStore) =>
  store
    .all()
    .map(({ sha256, label, origin, source, prediction, arrivedAtMs }) => [
      sha256,
      label,
      origin,
      source,
      prediction,
      arrivedAtMs,
    ]);

async function filled() {
  const store = await opened(await temporaryFolder());
  await store.add({ ...wav("a", "one"), source: "watch" });
  await store.add({ ...wav("b".repeat(700), null), source: "http", prediction: PREDICTION });
  await store.add({ ...wav("c", "two words"), origin: "sensor" });
  return store;
}

test("what one board exports another imports, with all that is known of it; a second time it is known", async () => {
  const [from, to] = [await filled(), await opened(await temporaryFolder())];
  const archive = await archiveOf(from);
  expect(await taken(to, archive)).toEqual({ stored: 3, known: 0, relabelled: 0, refused: [] });
  expect(known(to)).toEqual(known(from));
  expect(await readFile(to.all()[1]!.path, "utf8")).toBe("b".repeat(700));
  expect(await taken(to, archive)).toMatchObject({ stored: 0, known: 3 });
});

test("any tar opens an archive: class folders of plain files", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "samples.tar");
  await writeFile(file, await archiveOf(await filled()));
  await mkdir(join(folder, "out"));
  await promisify(execFile)("tar", ["-xf", file, "-C", join(folder, "out")]);
  expect(await readFile(join(folder, "out", "samples", "two words", `${hashOf("c")}.wav`), "utf8")).toBe("c");
  const manifest = JSON.parse(await readFile(join(folder, "out", "manifest.json"), "utf8"));
  expect(manifest).toMatchObject({ format: "lichen/samples-archive/1", device: "box", samples: { length: 3 } });
});

test("a sample that is gone while the archive is made is left out", async () => {
  const store = await filled();
  await rm(store.all()[0]!.path);
  const archive = await archiveOf(store);
  expect(await taken(await opened(await temporaryFolder()), archive)).toMatchObject({ stored: 2, refused: [] });
});

test("features are taken in for the same model, and refused for another", async () => {
  const from = await opened(await temporaryFolder(), { privacy: "features" });
  await from.add({ ...wav("a voice", "one"), features: float32([1, 2], [1, 2]) });
  const archive = await archiveOf(from);
  const to = await opened(await temporaryFolder());
  expect(await taken(to, archive, "d".repeat(64))).toMatchObject({ stored: 0, refused: { length: 1 } });
  expect(await taken(to, archive)).toMatchObject({ stored: 1 });
  expect(to.all()[0]).toMatchObject({ sha256: hashOf("a voice"), extension: ".safetensors" });
});

/** An archive by hand. */
async function archive(files: Record<string, string>, entries: readonly object[] = []) {
  const manifest = JSON.stringify({ format: "lichen/samples-archive/1", ...about, samples: entries });
  return packTar(
    Object.entries({ "manifest.json": manifest, ...files }).map(([name, text]) => ({
      header: { name, size: bytesOf(text).length },
      body: text,
    })),
  );
}

const entry = (file: string, text: string, changes: object = {}) => ({
  file,
  sha256: hashOf(text),
  label: "one",
  origin: "folder",
  sequence: 0,
  labelSequence: 0,
  arrivedAtMs: 0,
  source: null,
  prediction: null,
  extension: ".wav",
  bytes: text.length,
  ...changes,
});

test("what is wrong with one file keeps no other out", async () => {
  const to = await opened(await temporaryFolder());
  const bytes = await archive(
    { "not-named.wav": "x", "../../escape.wav": "y", big: "z".repeat(10_001), other: "o", good: "g" },
    [
      entry("../../escape.wav", "not y"),
      entry("big", "z".repeat(10_001)),
      entry("other", "o", { label: "three" }),
      entry("good", "g"),
    ],
  );
  const imported = await taken(to, bytes);
  expect(imported.stored).toBe(1);
  expect(imported.refused.map(({ file, error }) => [file, (error as { code: string }).code])).toEqual([
    ["not-named.wav", "BAD_ARCHIVE"],
    ["../../escape.wav", "BAD_ARCHIVE"],
    ["big", "BAD_ARCHIVE"],
    ["other", "UNKNOWN_CLASS"],
  ]);
});

test("a time that no date can tell is refused: it would spoil every list of samples", async () => {
  const to = await opened(await temporaryFolder());
  const bytes = await archive({ late: "l" }, [entry("late", "l", { arrivedAtMs: 1e300 })]);
  await expect(taken(to, bytes)).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
  expect(to.all()).toEqual([]);
});

test("an archive that is cut short, or none, or lies in its manifest is told as such; what was taken in stays", async () => {
  const to = await opened(await temporaryFolder());
  const whole = await archiveOf(await filled());
  await expect(taken(to, whole.slice(0, whole.length - 2500))).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
  expect(to.all().length).toBeGreaterThan(0);
  for (const bytes of [
    new Uint8Array(),
    bytesOf("no tar at all".repeat(100)),
    await packTar([{ header: { name: "x", size: 1 }, body: "x" }]),
    await archive({ good: "g" }, [entry("good", "g", { extension: 7 })]),
  ]) {
    await expect(taken(to, bytes)).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
  }
});

test("whatever bytes come as an archive, the store takes in what is whole or nothing, and the answer is one of ours", async () => {
  const to = await opened(await temporaryFolder());
  const whole = await archiveOf(await filled());
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 50 }), async (at, bytes) => {
      const damaged = whole.slice();
      damaged.set(bytes.subarray(0, whole.length - at), at);
      await taken(to, damaged).catch((error) => expect(error).toMatchObject({ code: "BAD_ARCHIVE" }));
      const texts = ["a", "b".repeat(700), "c"].map(hashOf);
      for (const { sha256 } of to.all()) expect(texts).toContain(sha256);
    }),
    { numRuns: 60 },
  );
});

test("an extension that is no extension does not lead a file out of the store", async () => {
  const to = await opened(await temporaryFolder());
  const bytes = await archive({ good: "g" }, [entry("good", "g", { extension: "/../../../x" })]);
  await expect(taken(to, bytes)).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
});
