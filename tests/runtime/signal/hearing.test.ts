import { describe, expect, it } from "vitest";
import type { Preprocessing } from "../../../runtime/package/card.ts";
import { createHearing, featureShape, fullPreprocessing } from "../../../runtime/signal/index.ts";
import type { Heard } from "../../../runtime/signal/window.ts";
import { LOG_MEL, reference, sound } from "./sound.ts";

const hear = (card: Preprocessing, window: Float32Array) => {
  const { listen, arrange } = createHearing(fullPreprocessing(card) as Heard);
  return arrange(listen(window));
};

describe("log-mel features", () => {
  it("agree with librosa", () => {
    const { dims, data } = hear(LOG_MEL, sound(8000));
    expect(dims).toEqual([1, 1, 40, 61]);
    reference.logMel.features.forEach((row, mel) => {
      row.forEach((value, column) => {
        const found = data[mel * 61 + reference.logMel.frames[column]!]!;
        expect(Math.abs(found - value), `mel ${mel}, frame ${column}`).toBeLessThan(1e-4);
      });
    });
  });

  it("of silence are the floor, normalized", () => {
    const { data } = hear({ ...LOG_MEL, powerFloor: 1, mean: 2, std: 4 }, new Float32Array(8000));
    expect(new Set(data)).toEqual(new Set([-0.5]));
  });

  it("refuse more bands than the spectrum can tell apart", () => {
    expect(() => hear({ ...LOG_MEL, mels: 200 }, sound(8000))).toThrow(/BAD_CARD.*band \d+/);
  });
});

describe("a waveform", () => {
  const WAVEFORM = { kind: "waveform", sampleRateHz: 8000, windowSamples: 4 } satisfies Preprocessing;
  const window = Float32Array.of(-0.5, 0, 0.25, 0.125);

  it("is the samples as they are", () => {
    expect(hear(WAVEFORM, window)).toEqual({ type: "float32", dims: [1, 4], data: window });
    expect(hear({ ...WAVEFORM, axes: "channel-samples" }, window).dims).toEqual([1, 1, 4]);
  });

  it("can have another full scale, and be divided by its largest sample, or its loudest", () => {
    expect([...hear({ ...WAVEFORM, fullScale: 32_768 }, window).data]).toEqual([-16_384, 0, 8192, 4096]);
    expect([...hear({ ...WAVEFORM, gain: "maximum" }, window).data]).toEqual([-2, 0, 1, 0.5]);
    expect([...hear({ ...WAVEFORM, gain: "peak", fullScale: 10 }, window).data]).toEqual([-10, 0, 5, 2.5]);
  });

  it("of silence is silence, whatever it is divided by", () => {
    for (const gain of ["none", "maximum", "peak"] as const)
      expect([...hear({ ...WAVEFORM, gain }, new Float32Array(4)).data]).toEqual([0, 0, 0, 0]);
  });

  it("is not the recording's own memory, which may be used again", () => {
    const features = hear(WAVEFORM, window);
    features.data[0] = 7;
    expect(window[0]).toBe(-0.5);
  });
});

describe("axes", () => {
  it("say how bands and frames lie; a vector is one frame behind the other", () => {
    const [bands, frames] = [40, 61];
    const { data } = hear(LOG_MEL, sound(8000));
    const turned = hear({ ...LOG_MEL, axes: "frames-bands" }, sound(8000));
    const vector = hear({ ...LOG_MEL, axes: "vector" }, sound(8000));
    expect([turned.dims, vector.dims]).toEqual([
      [1, 1, frames, bands],
      [1, frames * bands],
    ]);
    expect(vector.data).toEqual(turned.data);
    for (const [band, frame] of [
      [0, 0],
      [3, 17],
      [39, 60],
    ] as const)
      expect(turned.data[frame * bands + band]).toBe(data[band * frames + frame]);
  });

  it.each<Preprocessing>([
    LOG_MEL,
    { ...LOG_MEL, edges: "reflect", hopSamples: 100 },
    { ...LOG_MEL, frameSamples: 200, fftSamples: 256, fftPadding: "around", axes: "vector" },
    { ...LOG_MEL, kind: "mfcc", coefficients: 13, axes: "frames-bands" },
    { kind: "waveform", sampleRateHz: 8000, windowSamples: 77 },
  ])("and the rest of a card say a shape that features have: %#", (card) => {
    expect(hear(card, sound((card as Heard).windowSamples)).dims).toEqual([1, ...featureShape(card)]);
  });
});
