import { execFileSync } from "node:child_process";
import type { Preprocessor, Sample } from "../../../runtime/index.ts";
import { gaussian } from "../../../runtime/random/gaussian.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { decodeWav, encodeWav } from "../../../runtime/signal/index.ts";

/** Whether words can be spoken on this machine: Debian's espeak-ng (GPL-3.0; its output is free). */
export function canSpeak(): boolean {
  try {
    execFileSync("espeak-ng", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Silence before a word, seconds: recordings of single words hardly ever begin with it. */
const LEADS = [0.15, 0.3];
/** Words a minute. */
const SPEEDS = [130, 165];
const NOISE = 0.002;

/** Each word by each voice, at two speeds and after two silences, with a little noise. */
export async function spoken(
  words: readonly string[],
  voices: readonly string[],
  preprocessor: Preprocessor,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const [at, label] of words.entries())
    for (const [number, voice] of voices.entries())
      for (const speed of SPEEDS)
        for (const lead of LEADS) {
          const file = recording(label, voice, speed, lead, at * 1000 + number);
          const name = `${label} by ${voice}`;
          samples.push({
            label,
            id: `${name}, ${speed}, ${lead}`,
            features: await preprocessor.features(file, name),
            views: (randoms) => preprocessor.views(file, name, randoms),
          });
        }
  return samples;
}

/** A WAV of a second, or of as long as the word takes. */
function recording(word: string, voice: string, speed: number, leadSeconds: number, seed: number): Uint8Array {
  const said = execFileSync("espeak-ng", ["-v", voice, "-s", String(speed), "--stdout", word], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  // Into a pipe espeak-ng writes lengths that it does not know yet.
  said.writeUInt32LE(said.length - 8, 4);
  said.writeUInt32LE(said.length - 44, 40);
  const { sampleRateHz, channels } = decodeWav(said, word);
  const lead = Math.round(leadSeconds * sampleRateHz);
  const samples = Math.max(sampleRateHz, lead + channels[0]!.length);
  const heard = Float32Array.from(gaussian([samples], NOISE, seeded(seed)).data as Float32Array);
  for (const [at, value] of channels[0]!.entries()) heard[lead + at]! += value;
  return encodeWav({ sampleRateHz, channels: [heard] });
}
