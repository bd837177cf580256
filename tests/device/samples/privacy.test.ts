import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeFeatures, encodeFeatures, sampleFeatures } from "../../../device/samples/features.ts";
import { float16Of } from "../../../device/samples/float16.ts";
import { INDEX_FOLDER } from "../../../device/samples/open.ts";
import { float16Bits } from "../../../runtime/onnx/half-floats.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { temporaryFolder } from "../fixtures.ts";
import { hashOf, opened, wav } from "./stores.ts";

const SECRET = "a voice that says a name";
const features = float32([1, 2, 2], [0.5, -1.25, 3, 0]);

/** Names and contents of all files below a folder, as one. */
async function everything(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file, "latin1")));
  return [...files, ...contents].join("\n");
}

test("with privacy `features` the bytes never touch the disk, and what the model takes in is read back", async () => {
  const directory = await temporaryFolder();
  const store = await opened(directory, { privacy: "features" });
  expect(await store.add({ ...wav(SECRET, "one"), features })).toBe("stored");
  expect(await store.add({ ...wav(SECRET, "one"), features })).toBe("known");
  expect(await everything(directory)).not.toContain(SECRET);
  const [sample] = (await opened(directory, { privacy: "features" })).list();
  expect(sample).toMatchObject({ sha256: hashOf(SECRET), extension: ".safetensors" });
  const never = { features: () => Promise.reject(new Error("not asked for")) };
  expect(await sampleFeatures(sample!.path, never, "a model's preprocessing")).toEqual(features);
  // Of the right shape, perhaps, and yet other numbers.
  const another = sampleFeatures(sample!.path, never, "another model's");
  await expect(another).rejects.toMatchObject({ code: "BAD_SAMPLE" });
});

test("raw samples are read by the model's own preprocessing", async () => {
  const store = await opened(await temporaryFolder());
  await store.add(wav(SECRET, "one"));
  const preprocessor = { features: async (bytes: Uint8Array) => float32([1], [bytes.length]) };
  expect(await sampleFeatures(store.list()[0]!.path, preprocessor, "")).toEqual(float32([1], [SECRET.length]));
});

test("with privacy `none` nothing is kept and nothing is trained on, also of what was kept before", async () => {
  const directory = await temporaryFolder();
  const before = await opened(directory);
  await before.add(wav("before", "one"));
  await before.stop();
  const store = await opened(directory, { privacy: "none" });
  await expect(store.add(wav(SECRET, "one"))).rejects.toMatchObject({ code: "NOTHING_KEPT" });
  expect([store.list().length, store.unlabelled().length, store.all().length]).toEqual([0, 0, 1]);
  expect(await everything(directory)).not.toContain(SECRET);
});

test("of an erased sample no byte, hash or name is in any file, and the others are untouched, also after a restart", async () => {
  const directory = await temporaryFolder();
  const store = await opened(directory);
  await store.add({ ...wav(SECRET, "one"), source: "microphone-in-the-office" });
  await store.label(hashOf(SECRET), "two words", "person");
  await store.add(wav("other", "one"));
  await store.erase([hashOf(SECRET)]);
  const raw = (sha256: string) => Buffer.from(sha256, "hex").toString("latin1");
  for (const trace of [SECRET, hashOf(SECRET), raw(hashOf(SECRET)), "microphone-in-the-office"]) {
    expect(await everything(directory)).not.toContain(trace);
  }
  const again = await opened(directory);
  expect(again.all().map(({ sha256 }) => sha256)).toEqual([hashOf("other")]);
  expect(await readFile(again.all()[0]!.path, "utf8")).toBe("other");
});

test("a file that was being erased when the power went is erased at the next start", async () => {
  const directory = await temporaryFolder();
  const store = await opened(directory);
  await store.add(wav("other", "one"));
  await store.stop();
  await writeFile(join(directory, "one", `${hashOf(SECRET)}.wav.erasing`), SECRET);
  for (const name of ["index.db.erasing", "index.db-wal.erasing", "journal.before.erasing"])
    await writeFile(join(directory, INDEX_FOLDER, name), SECRET);
  expect((await opened(directory)).all()).toHaveLength(1);
  for (const trace of [SECRET, hashOf(SECRET)]) expect(await everything(directory)).not.toContain(trace);
});

test("every float16 comes back as it was, and every number as the nearest one", () => {
  const bits = new Float32Array(new Uint32Array([float16Bits(0)]).buffer);
  const value = (half: number) => {
    new Uint32Array(bits.buffer)[0] = float16Bits(half);
    return bits[0]!;
  };
  const halves = Array.from({ length: 0x7c00 }, (_, half) => [half, half | 0x8000]).flat();
  expect(halves.map((half) => float16Of(value(half)))).toEqual(halves);
  fc.assert(
    fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (number) => {
      const half = float16Of(number);
      const distance = Math.abs(value(half) - number);
      const size = half & 0x7fff;
      for (const near of [size - 1, size + 1]) {
        if (near < 0 || near >= 0x7c00) continue;
        const neighbour = value(near | (half & 0x8000));
        expect(distance).toBeLessThanOrEqual(Math.abs(neighbour - number));
      }
    }),
  );
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 65520, -1e9]) {
    expect(() => float16Of(bad)).toThrow(expect.objectContaining({ code: "BAD_SAMPLE" }));
  }
});

test("files of other tensors, or damaged ones, are no features", () => {
  const whole = encodeFeatures(features, "x");
  expect(decodeFeatures(whole, "at", "x")).toEqual(features);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), (length) => {
      expect(() => decodeFeatures(whole.slice(0, length), "at", "x")).toThrow(
        expect.objectContaining({ code: "BAD_SAMPLE" }),
      );
    }),
  );
});
