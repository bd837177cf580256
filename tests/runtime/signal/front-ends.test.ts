import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Preprocessing } from "../../../runtime/package/card.ts";
import { createPreprocessor, encodeWav, featureShape } from "../../../runtime/signal/index.ts";
import { floatWav } from "./sound.ts";

interface Case {
  name: string;
  card: Exclude<Preprocessing, { kind: "image" }>;
  /** Of the reference; [bands, frames], [frames, bands] or [features] */
  shape: number[];
  /** Every `skip`th of the reference's values. */
  values: number[];
  /** Of the test sound, where it is not as long as the window, and of the window in it. */
  samples?: number;
  start?: number;
  /** 16 where the reference reads integers. */
  bits?: number;
}

/** What scripts/references/front_ends.py got from TensorFlow and librosa. */
const { skip, cases }: { skip: number; cases: Case[] } = JSON.parse(
  readFileSync(new URL("front-ends.json", import.meta.url), "utf8"),
);

/** The sound of scripts/references/front_ends.py: a chirp, a steady tone, a click and faint noise. */
function sound(length: number, rateHz: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, (_, n) => {
    state = (state * 16_807) % 2_147_483_647;
    const noise = 0.02 * (state / 2_147_483_647 - 0.5);
    const chirp = 0.3 * Math.sin(2 * Math.PI * ((150 * n) / rateHz + 0.2 * rateHz * (n / rateHz) ** 2));
    const tone = 0.05 * Math.sin((2 * Math.PI * 1234.5 * n) / rateHz);
    return chirp + tone + noise + (n === Math.floor(length / 3) ? 0.4 : 0);
  });
}

describe("features are to 1e-4 what the library makes that a model was trained with", () => {
  it.each(cases)("$name", async ({ card, shape, values, samples = card.windowSamples, start = 0, bits }) => {
    const heard = sound(samples, card.sampleRateHz).subarray(start);
    const window = samples > card.windowSamples ? heard.subarray(0, card.windowSamples) : heard;
    const file =
      bits === 16
        ? encodeWav({ sampleRateHz: card.sampleRateHz, channels: [window] })
        : floatWav(card.sampleRateHz, window);
    const { dims, data } = await createPreprocessor(card).features(file, "x.wav");
    expect(dims).toEqual([1, ...featureShape(card)]);
    expect(dims.filter((size) => size !== 1)).toEqual(shape);
    const worst = values.reduce((most, value, at) => Math.max(most, Math.abs(value - data[at * skip]!)), 0);
    expect(values.length).toBe(Math.ceil(data.length / skip));
    expect(worst).toBeLessThan(1e-4);
  });
});
