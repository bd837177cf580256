import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeWav } from "../../../../runtime/signal/index.ts";

/** Models that are compared with LiteRT, and what their inputs are made of. */
export const REFERENCES = {
  "mlperf_ad_autoencoder.int8": { kind: "stored" },
  "mlperf_kws_dscnn.int8": { kind: "stored" },
  "mlperf_ic_resnet8.int8": { kind: "picture", size: 32, shift: -128 },
  "mlperf_vww_mobilenet.int8": { kind: "picture", size: 96, shift: -128 },
  "mobilenet_v1_0.25_128.uint8": { kind: "picture", size: 128, shift: 0 },
  "mobilenet_v2_1.0_224.int8": { kind: "picture", size: 224, shift: 0 },
  "yamnet.int8": { kind: "waveform", samples: 15_600 },
} as const;

export type ReferenceModel = keyof typeof REFERENCES;

export const REFERENCE_SAMPLES = 12;

type Drawn = Exclude<(typeof REFERENCES)[ReferenceModel], { kind: "stored" }>;

/** The bytes that go into a model: from recordings, by whole numbers alone, so that every machine makes the same. */
export function drawnInput(recipe: Drawn, sample: number, recordings: string): Uint8Array {
  return recipe.kind === "waveform"
    ? waveform(recipe.samples, sample, recordings)
    : picture(recipe.size, recipe.shift, sample, recordings);
}

function waveform(length: number, sample: number, recordings: string): Uint8Array {
  const heard = new Float32Array(length);
  heard.set(read(recordings, sample, "jackson").subarray(0, length));
  return new Uint8Array(heard.buffer);
}

/** A recording is a colour: its samples row by row, stretched over the picture. */
function picture(size: number, shift: number, sample: number, recordings: string): Uint8Array {
  const colours = ["george", "nicolas", "theo"].map((speaker) => read(recordings, sample, speaker));
  const places = size * size;
  const codes = Int16Array.from({ length: places * 3 }, (_, at) => {
    const colour = colours[at % 3]!;
    const value = colour[Math.floor((Math.floor(at / 3) * colour.length) / places)]! * 2 ** 15;
    return Math.min(255, Math.max(0, 128 + Math.floor(value / 32))) + shift;
  });
  return new Uint8Array((shift === 0 ? Uint8Array.from(codes) : Int8Array.from(codes)).buffer);
}

const read = (recordings: string, sample: number, speaker: string): Float32Array => {
  const name = `${sample % 10}_${speaker}_${sample}.wav`;
  return decodeWav(readFileSync(join(recordings, name)), name).channels[0]!;
};
