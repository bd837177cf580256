import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { preprocessingSchema } from "../../../runtime/package/card.ts";
import { createPreprocessor, encodeWav, resample } from "../../../runtime/signal/index.ts";
import { LOG_MEL, sound } from "./sound.ts";

describe("sounds", () => {
  const { extensions, features } = createPreprocessor(LOG_MEL);

  it("are WAV files", () => {
    expect(extensions).toEqual([".wav"]);
  });

  it("give nearly the same features in stereo at 44.1 kHz as in mono at the model's rate", async () => {
    const mono = sound(8000);
    const fast = resample(mono, 8000, 44_100);
    const channels = [fast.map((sample) => sample * 1.5), fast.map((sample) => sample * 0.5)];
    const expected = await features(encodeWav({ sampleRateHz: 8000, channels: [mono] }), "mono.wav");
    const found = await features(encodeWav({ sampleRateHz: 44_100, channels }), "stereo.wav");
    const errors = found.data.map((value, i) => Math.abs(value - expected.data[i]!));
    // The quietest bands hold little but the rounding to 16 bits, which differs.
    expect(errors.toSorted()[Math.floor(errors.length * 0.9)]).toBeLessThan(0.05);
  });

  it("are refused with the file's name", async () => {
    await expect(features(new Uint8Array(4), "inbox/a.wav")).rejects.toThrow(/BAD_WAV.*inbox\/a\.wav/);
  });
});

describe("pictures", () => {
  const RGB = { kind: "image", width: 2, height: 2, channels: 3, mean: [10, 20, 30], std: [1, 2, 4] } as const;
  const card = { ...RGB, mean: [...RGB.mean], std: [...RGB.std] };
  const picture = (width: number, height: number, pixels: number[], channels: 3 | 4 = 3) =>
    sharp(Uint8Array.from(pixels), { raw: { width, height, channels } });
  const RED = [255, 0, 0];
  const BLUE = [0, 0, 255];

  it("become channels first, each normalized by its own mean and deviation", async () => {
    const png = await picture(2, 2, [...RED, ...BLUE, ...BLUE, ...BLUE])
      .png()
      .toBuffer();
    const { dims, data } = await createPreprocessor(card).features(png, "a.png");
    expect(dims).toEqual([1, 3, 2, 2]);
    expect([...data]).toEqual([245, -10, -10, -10, -10, -10, -10, -10, -7.5, 56.25, 56.25, 56.25]);
  });

  it("are turned upright", async () => {
    // Orientation 3: upside down.
    const png = await picture(2, 2, [...RED, ...BLUE, ...BLUE, ...BLUE])
      .withMetadata({ orientation: 3 })
      .png()
      .toBuffer();
    const { data } = await createPreprocessor(card).features(png, "a.png");
    expect([...data.subarray(0, 4)]).toEqual([-10, -10, -10, 245]);
  });

  it("cover the input and lose what stands over on both sides", async () => {
    const row = [...BLUE, ...RED, ...RED, ...BLUE];
    const png = await picture(4, 2, [...row, ...row])
      .png()
      .toBuffer();
    const { data } = await createPreprocessor(card).features(png, "a.png");
    expect([...data.subarray(0, 4)]).toEqual([245, 245, 245, 245]);
  });

  it("stand on black where they are transparent", async () => {
    const png = await picture(
      2,
      2,
      new Array(16).fill(200).map((v, i) => (i % 4 === 3 ? 0 : v)),
      4,
    )
      .png()
      .toBuffer();
    const { data } = await createPreprocessor(card).features(png, "a.png");
    expect([...data.subarray(0, 4)]).toEqual([-10, -10, -10, -10]);
  });

  it("of one channel are grey, whether they came in colour or not", async () => {
    const grey = createPreprocessor({ ...card, channels: 1, mean: [0], std: [1] });
    const png = await picture(2, 2, new Array(12).fill(100)).png().toBuffer();
    const { dims, data } = await grey.features(png, "a.png");
    expect(dims).toEqual([1, 1, 2, 2]);
    expect([...data]).toEqual([100, 100, 100, 100]);
  });

  it("in colour can be made of grey files", async () => {
    const png = await picture(2, 2, new Array(12).fill(100)).greyscale().png().toBuffer();
    const { dims } = await createPreprocessor(card).features(png, "a.png");
    expect(dims).toEqual([1, 3, 2, 2]);
  });

  it("are refused where damaged or no picture", async () => {
    const jpeg = await picture(
      64,
      64,
      new Array(64 * 64 * 3).fill(0).map((_, i) => (i * 37) % 256),
    )
      .jpeg()
      .toBuffer();
    const { features } = createPreprocessor(card);
    await expect(features(jpeg.subarray(0, jpeg.length / 2), "half.jpg")).rejects.toThrow(/BAD_IMAGE.*half\.jpg/);
    await expect(features(new Uint8Array(10), "none.jpg")).rejects.toThrow(/BAD_IMAGE/);
  });
});

describe("a card's preprocessing", () => {
  it.each([
    ["frames that no FFT fits", { ...LOG_MEL, frameSamples: 250 }, "frameSamples"],
    ["frames longer than the window", { ...LOG_MEL, windowSamples: 128 }, "frameSamples"],
    ["a transform shorter than its frames", { ...LOG_MEL, frameSamples: 512, fftSamples: 256 }, "fftSamples"],
    ["a transform that is no power of two", { ...LOG_MEL, fftSamples: 400 }, "fftSamples"],
    [
      "frames that only fit into the window without what is around them",
      { ...LOG_MEL, windowSamples: 300, fftSamples: 512, fftPadding: "around" },
      "frameSamples",
    ],
    ["edges that reflect more than there is", { ...LOG_MEL, windowSamples: 128, edges: "reflect" }, "frameSamples"],
    ["more coefficients than mels", { ...LOG_MEL, kind: "mfcc", coefficients: 41 }, "coefficients"],
    ["bands above half the rate", { ...LOG_MEL, highHz: 4001 }, "highHz"],
    ["bands upside down", { ...LOG_MEL, lowHz: 3800 }, "highHz"],
    [
      "one mean for three channels",
      { kind: "image", width: 1, height: 1, channels: 3, mean: [0], std: [1, 1, 1] },
      "mean",
    ],
  ])("cannot have %s", (_, value, field) => {
    const parsed = preprocessingSchema.safeParse(value);
    expect(parsed.error?.issues[0]?.path).toEqual([field]);
  });
});

describe("a card from before there were choices", () => {
  it("has what was the only choice", () => {
    const { kind, ...defaults } = preprocessingSchema.parse(LOG_MEL);
    expect(kind).toBe("log-mel");
    expect(defaults).toMatchObject({
      ...{ place: "centre", gain: "none", fullScale: 1, fftPadding: "behind", frameWindow: "hann", edges: "none" },
      ...{ exponent: 2, melScale: "slaney", melSlopes: "hertz", melNorm: "slaney", logarithm: "ln", floor: "add" },
      ...{ reference: 1, axes: "bands-frames" },
    });
    const image = preprocessingSchema.parse({ kind: "image", width: 1, height: 1, channels: 1, mean: [0], std: [1] });
    expect(image).toMatchObject({ fit: "cover", order: "rgb", background: "black" });
  });

  it("is refused by whoever makes features from it where it cannot be meant", () => {
    expect(() => createPreprocessor({ ...LOG_MEL, hopSamples: 0 })).toThrow(/BAD_CARD.*preprocessing\.hopSamples/);
  });
});
