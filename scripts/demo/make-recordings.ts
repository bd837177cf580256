/**
 * Makes the recordings that the demo plays: a synthetic voice that says the ten digits in a box on a machine.
 *
 *   npx tsc --build && node dist/scripts/demo/make-recordings.js [folder]
 *
 * Needs espeak-ng (1.51; GPL-3.0, its output is free) on the path. The same espeak-ng gives the same files.
 */
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Random, seeded } from "../../runtime/random/random.ts";
import { decodeWav, encodeWav, resample } from "../../runtime/signal/index.ts";
import { type Enclosure, effective, hearThrough } from "./enclosure.ts";

const SAMPLE_RATE_HZ = 8000;
const LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/** Takes per word. Two boards with the same voice near them; each has its own noise. */
const SETS = {
  "board-a": { train: 8, test: 6 },
  "board-b": { train: 3, test: 6 },
} as const;

/** One accent in three voices, in a box that makes them hard for the base model: it hears 60 % of the words right. */
const VOICES = ["en-gb-x-gbcwmd+m7", "en-gb-x-gbcwmd+m3", "en-gb-x-gbcwmd+m5"];

const BOX: Enclosure = {
  resonances: [
    { hz: 430, decibels: 12, q: 5 },
    { hz: 1180, decibels: 10, q: 6 },
    { hz: 2050, decibels: -9, q: 3 },
  ],
  lowHz: 350,
  highHz: 2400,
  reverberationSeconds: 0.12,
  reverberation: 0.4,
  noiseDecibels: 3,
  humDecibels: 5,
  mainsHz: 50,
  bladesHz: 187,
};

const folder = process.argv[2] ?? "scripts/demo/recordings";
await rm(folder, { recursive: true, force: true });
let bytes = 0;
for (const [boardIndex, [board, parts]] of Object.entries(SETS).entries()) {
  for (const [partIndex, [part, takes]] of Object.entries(parts).entries()) {
    for (const [digit, label] of LABELS.entries()) {
      const home = join(folder, board, part, label);
      await mkdir(home, { recursive: true });
      for (let take = 0; take < takes; take++) {
        const random = seeded(((boardIndex * 2 + partIndex) * 10 + digit) * 100 + take);
        const wav = record(label, random);
        bytes += wav.length;
        await writeFile(join(home, `${String(take).padStart(2, "0")}.wav`), wav);
      }
    }
  }
}
console.log(`${folder}: ${(bytes / 1e6).toFixed(2)} MB`);

function record(word: string, random: Random): Uint8Array {
  const between = (low: number, high: number) => low + (high - low) * random();
  const spoken = trimmed(
    speak(word, {
      voice: VOICES[Math.floor(random() * VOICES.length)]!,
      pitch: Math.round(between(25, 75)),
      wordsPerMinute: Math.round(between(135, 200)),
    }),
  );
  const box = {
    ...BOX,
    noiseDecibels: BOX.noiseDecibels + between(-3, 3),
    humDecibels: BOX.humDecibels + between(-2, 2),
  };
  const heard = hearThrough(box, spoken, SAMPLE_RATE_HZ, random);
  const level = 10 ** (between(-34, -26) / 20) / effective(heard);
  return encodeWav({ sampleRateHz: SAMPLE_RATE_HZ, channels: [heard.map((sample) => sample * level)] });
}

function speak(word: string, say: { voice: string; pitch: number; wordsPerMinute: number }): Float32Array {
  const wav = execFileSync("espeak-ng", [
    ...["-v", say.voice, "-p", `${say.pitch}`, "-s", `${say.wordsPerMinute}`],
    ...["--stdout", word],
  ]);
  const { sampleRateHz, channels } = decodeWav(wav, `espeak-ng ${word}`);
  return resample(channels[0]!, sampleRateHz, SAMPLE_RATE_HZ);
}

/** Without the silence around the word, but for a moment on either side: the pack is to stay small. */
function trimmed(sound: Float32Array): Float32Array {
  const loud = 0.02 * sound.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  const first = sound.findIndex((sample) => Math.abs(sample) > loud);
  const last = sound.findLastIndex((sample) => Math.abs(sample) > loud);
  const margin = 0.06 * SAMPLE_RATE_HZ;
  const padded = new Float32Array(last - first + 1 + 2 * margin);
  padded.set(sound.subarray(first, last + 1), margin);
  return padded;
}
