import { cp, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { inMemory, readDataset, readLabelled, recordingsIn } from "../../../device/offline/dataset.ts";
import { createPreprocessor, loadModel, sha256, type Tensor } from "../../../runtime/index.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { encodeWav } from "../../../runtime/signal/index.ts";
import { featuresOf } from "../../../runtime/train/samples.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const recordings = path.join(root, "scripts/demo/recordings/board-a/test");
const { card } = await loadModel(path.join(root, "models/spoken-digits"));
const preprocessor = createPreprocessor(card.preprocessing);

async function twoClasses(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen dataset "));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const label of ["two", "one"])
    await cp(path.join(recordings, label), path.join(folder, label), { recursive: true });
  return folder;
}

it("one folder is one class, in the order of names; what is no recording is passed over", async () => {
  const folder = await twoClasses();
  await writeFile(path.join(folder, "README.md"), "about these");
  await writeFile(path.join(folder, "one", "notes.txt"), "about those");
  await mkdir(path.join(folder, ".git"));
  const labels = (await readDataset(folder, preprocessor)).map(({ label }) => label);
  expect(labels).toEqual([...Array(6).fill("one"), ...Array(6).fill("two")]);
});

it("a sample is known by its file, decoded when needed, and has views that a seed makes again", async () => {
  const folder = await twoClasses();
  const [sample] = await readDataset(folder, preprocessor);
  const [again] = await inMemory(await readDataset(folder, preprocessor));
  expect(sample!.id).toBe(again!.id);
  expect(sample!.id).toMatch(/^[0-9a-f]{64}$/);
  expect(sample!.features).toBeTypeOf("function");
  expect(await featuresOf(sample!)).toEqual(again!.features);
  const view = async (seed: number): Promise<Tensor> => (await sample!.views!([seeded(seed)]))[0]!;
  expect(await view(1)).toEqual(await view(1));
  expect((await view(1)).data).not.toEqual((await view(2)).data);
  expect((await view(1)).dims).toEqual((again!.features as Tensor).dims);
});

it("a recording that cannot be read is an error when its turn comes", async () => {
  const folder = await twoClasses();
  const bytes = new TextEncoder().encode("no sound");
  await writeFile(path.join(folder, "one", "00.wav"), bytes);
  const [sample] = await readDataset(folder, preprocessor);
  expect(sample!.id).toBe(sha256(bytes));
  await expect(featuresOf(sample!)).rejects.toThrow(/^BAD_WAV: .*00\.wav/);
  await expect(inMemory([sample!])).rejects.toThrow(/^BAD_WAV/);
});

it("a folder without samples, and no folder, are refused", async () => {
  const folder = await twoClasses();
  await mkdir(path.join(folder, "empty", "one"), { recursive: true });
  await expect(readDataset(path.join(folder, "empty"), preprocessor)).rejects.toThrow(/^BAD_ARGUMENT: .*no samples/);
  await expect(readDataset(path.join(folder, "nowhere"), preprocessor)).rejects.toThrow(
    /^BAD_ARGUMENT: .*no readable folder/,
  );
});

it("files beside the class folders, and those in _unlabelled, are samples without a label", async () => {
  const folder = await twoClasses();
  await mkdir(path.join(folder, "_unlabelled"));
  for (const place of ["stray.wav", "_unlabelled/other.wav"])
    await cp(path.join(folder, "one", "00.wav"), path.join(folder, place));
  const labels = (await readDataset(folder, preprocessor)).map(({ label }) => label);
  expect(labels).toEqual([null, ...Array(6).fill("one"), ...Array(6).fill("two"), null]);
  expect(await readLabelled(folder, preprocessor)).toHaveLength(12);
  await expect(readLabelled(path.join(folder, "one"), preprocessor)).rejects.toThrow(/^BAD_ARGUMENT: .*labelled/);
});

it("several labels are joined in a folder's name, where that is asked for", async () => {
  const folder = await twoClasses();
  for (const name of ["one+two", "_none"])
    await cp(path.join(folder, "one"), path.join(folder, name), { recursive: true });
  const labels = async (severalLabels: boolean) => [
    ...new Set((await readDataset(folder, preprocessor, { severalLabels })).map(({ label }) => JSON.stringify(label))),
  ];
  expect(await labels(true)).toEqual(["[]", '["one"]', '["one","two"]', '["two"]']);
  expect(await labels(false)).toEqual(['"_none"', '"one"', '"one+two"', '"two"']);
});

it("a long recording is a sample for each of its windows that are not silent, all known to be of one file", async () => {
  const folder = await twoClasses();
  const rateHz = 44_100;
  // A tone for two seconds, silence for four, a tone for one.
  const samples = Float32Array.from({ length: 7 * rateHz }, (_, n) =>
    n < 2 * rateHz || n >= 6 * rateHz ? 0.3 * Math.sin(n / 10) : 0,
  );
  const bytes = encodeWav({ sampleRateHz: rateHz, channels: [samples] });
  await writeFile(path.join(folder, "one", "99.wav"), bytes);
  const read = (await readDataset(folder, preprocessor)).filter(({ recording }) => recording !== undefined);
  // Windows of 8000 samples at 8 kHz, half of each shared with the next.
  expect(read.map(({ id }) => id)).toEqual(
    [0, 4000, 8000, 12_000, 44_000, 48_000].map((start) => `${sha256(bytes)}@${start}`),
  );
  expect(new Set(read.map(({ recording }) => recording))).toEqual(new Set([sha256(bytes)]));
  expect(recordingsIn(read)).toBe(1);
  expect(recordingsIn(await readDataset(folder, preprocessor))).toBe(13);
  const cut = encodeWav({ sampleRateHz: rateHz, channels: [samples.subarray(rateHz, 2 * rateHz)] });
  const [found, expected] = [await featuresOf(read[2]!), await preprocessor.features(cut, "cut.wav")];
  // Only the frames at the ends hear, through the resampler, what the cut has lost.
  for (const frame of [5, 30, 55]) {
    for (let mel = 0; mel < 40; mel++)
      expect(found.data[mel * 61 + frame]).toBeCloseTo(expected.data[mel * 61 + frame]!, 3);
  }
  const [view] = await read[2]!.views!([seeded(1)]);
  expect(view!.dims).toEqual(expected.dims);
});

it("a file that shrinks while it is used is an error that names it", async () => {
  const folder = await twoClasses();
  const file = path.join(folder, "one", "00.wav");
  const [sample] = await readDataset(folder, preprocessor);
  await truncate(file, 100);
  await expect(featuresOf(sample!)).rejects.toThrow(/^BAD_SAMPLE: .*00\.wav/);
});
