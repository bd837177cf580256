import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { openSession } from "../../../../runtime/execute/session.ts";
import { concatRows, type Tensor } from "../../../../runtime/onnx/tensor.ts";
import { type Preprocessing, parseCard } from "../../../../runtime/package/card.ts";
import { seeded } from "../../../../runtime/random/random.ts";
import {
  AUGMENT_POLICY,
  type AugmentPolicy,
  createPreprocessor,
  encodeWav,
  type Preprocessor,
} from "../../../../runtime/signal/index.ts";
import { LOG_MEL, sound } from "../sound.ts";

const OFF: AugmentPolicy = {
  ...{ shift: null, gain: null, noise: null, spectrumMask: null },
  ...{ crop: null, flip: null, colour: null, cutout: null },
};
const PARTS = {
  sound: ["shift", "gain", "noise", "spectrumMask"],
  picture: ["crop", "flip", "colour", "cutout"],
} as const satisfies Record<string, readonly (keyof AugmentPolicy)[]>;

const sources: Record<keyof typeof PARTS, { preprocessor: Preprocessor; file: Uint8Array }> = {
  sound: {
    preprocessor: createPreprocessor(LOG_MEL),
    file: encodeWav({ sampleRateHz: 16_000, channels: [sound(20_000)] }),
  },
  picture: {
    preprocessor: createPreprocessor({
      kind: "image",
      width: 24,
      height: 16,
      channels: 3,
      mean: [120, 110, 100],
      std: [60, 60, 60],
    }),
    file: await sharp(
      Uint8Array.from({ length: 50 * 40 * 3 }, (_, at) => (at * 7 + (at >> 5) * 13) % 256),
      { raw: { width: 50, height: 40, channels: 3 } },
    )
      .png()
      .toBuffer(),
  },
};

describe.each(["sound", "picture"] as const)("views of a %s", (kind) => {
  const { preprocessor, file } = sources[kind];
  const views = (seeds: number[], policy?: AugmentPolicy) => preprocessor.views(file, "a", seeds.map(seeded), policy);

  it("have the features' shape and differ from them and from each other", async () => {
    const plain = await preprocessor.features(file, "a");
    const found = await views([1, 2, 3, 4]);
    for (const { dims } of found) expect(dims).toEqual(plain.dims);
    expect(new Set([plain, ...found].map(({ data }) => data.join())).size).toBe(5);
  });

  it("are the same for the same seed, alone or among others", async () => {
    const [, second] = await views([1, 2]);
    expect(await views([2])).toEqual([second]);
  });

  it("are the features where everything is off", async () => {
    expect(await views([1], OFF)).toEqual([await preprocessor.features(file, "a")]);
  });

  it.each(PARTS[kind])("are disturbed by %s alone", async (part) => {
    const plain = await preprocessor.features(file, "a");
    const found = await views([1, 2, 3, 4, 5, 6], { ...OFF, [part]: AUGMENT_POLICY[part] });
    expect(found.some(({ data }) => data.join() !== plain.data.join())).toBe(true);
  });

  it("are refused with the file's name where it cannot be read", async () => {
    await expect(preprocessor.views(new Uint8Array(9), "inbox/x", [seeded(1)])).rejects.toThrow(/inbox\/x/);
  });
});

describe("views of what is no log-mel spectrum", () => {
  const file = encodeWav({ sampleRateHz: 16_000, channels: [sound(20_000)] });
  const MFCC = { ...LOG_MEL, kind: "mfcc", coefficients: 13, axes: "frames-bands" } as const;

  it.each<Preprocessing>([
    { kind: "waveform", sampleRateHz: 8000, windowSamples: 6000, gain: "peak" },
    MFCC,
    { ...LOG_MEL, logarithm: "decibels", axes: "vector" },
  ])("have its shape, differ, and are the features where everything is off: $kind", async (card) => {
    const { features, views } = createPreprocessor(card);
    const plain = await features(file, "a");
    const found = await views(file, "a", [1, 2, 3].map(seeded));
    for (const { dims } of found) expect(dims).toEqual(plain.dims);
    expect(new Set([plain, ...found].map(({ data }) => data.join())).size).toBe(4);
    expect(await views(file, "a", [seeded(1)], OFF)).toEqual([plain]);
  });

  it("hide a part by what its band is on the average, where 0 is no average", async () => {
    const { features, views } = createPreprocessor(MFCC);
    const policy = { ...OFF, spectrumMask: { bandShare: 0, frameShare: 0.5 } };
    const plain = (await features(file, "a")).data;
    const [view] = await views(file, "a", [seeded(4)], policy);
    const changed = [...view!.data.keys()].filter((at) => Math.abs(view!.data[at]! - plain[at]!) > 1e-3);
    expect(changed.length).toBeGreaterThan(50);
    for (const band of [0, 5]) {
      const column = (values: Float32Array) => values.filter((_, at) => at % 13 === band);
      const mean = column(plain).reduce((sum, value) => sum + value, 0) / (plain.length / 13);
      for (const at of changed.filter((index) => index % 13 === band)) expect(view!.data[at]).toBeCloseTo(mean, 3);
    }
  });
});

describe("the spoken digits' model", async () => {
  const root = new URL("../../../../", import.meta.url);
  const card = parseCard(await readFile(new URL("models/spoken-digits/card.json", root), "utf8"), "card.json");
  const preprocessor = createPreprocessor(card.preprocessing);
  const demo = fileURLToPath(new URL("scripts/demo/recordings/board-a/test", root));
  const clean = join(process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../shared", root)), "data/fsdd");

  it("hears the word in most views of what it understands on a board in an enclosure, where it is often wrong", async () => {
    const files = card.labels.flatMap((label) =>
      readdirSync(join(demo, label)).map((name) => ({ path: join(demo, label, name), label })),
    );
    const { understood, kept } = await survey(files);
    expect(understood).toBeGreaterThan(20);
    expect(kept).toBeGreaterThan(0.65);
  });

  it.skipIf(!existsSync(clean))("hears the word in nearly every view of clean recordings", async () => {
    const takes = ["george_0", "george_1", "theo_0", "theo_1"];
    const files = card.labels.flatMap((label, digit) =>
      takes.map((take) => ({ path: join(clean, `${digit}_${take}.wav`), label })),
    );
    const { understood, kept } = await survey(files);
    expect(understood).toBeGreaterThan(35);
    expect(kept).toBeGreaterThan(0.9);
  });

  /** How many of the files are understood as they are, and which share of eight views of each of these. */
  async function survey(files: readonly { path: string; label: string }[]) {
    const session = await openSession(await readFile(new URL("models/spoken-digits/model.onnx", root)));
    const heard = async (features: Tensor[]) => {
      const { logits } = await session.run({ features: concatRows(features) });
      return features.map((_, row) => {
        const scores = logits!.data.subarray(row * card.labels.length, (row + 1) * card.labels.length) as Float32Array;
        return card.labels[scores.indexOf(Math.max(...scores))];
      });
    };
    try {
      const kept: boolean[] = [];
      for (const { path, label } of files) {
        const file = await readFile(path);
        if ((await heard([await preprocessor.features(file, path)]))[0] !== label) continue;
        const randoms = Array.from({ length: 8 }, (_, view) => seeded(kept.length + view));
        kept.push(...(await heard(await preprocessor.views(file, path, randoms))).map((word) => word === label));
      }
      return { understood: kept.length / 8, kept: kept.filter(Boolean).length / kept.length };
    } finally {
      await session.close();
    }
  }
});
