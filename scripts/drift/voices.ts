import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { decodeWav } from "../../runtime/signal/index.ts";
import { spokenDigitsFolder } from "../datasets/shared.ts";
import { recordings } from "../demo/board.ts";

export interface Word {
  label: string;
  /** Mono, at `SAMPLE_RATE_HZ`. */
  sound: Float32Array;
}

/** Who speaks in one part of the day: words for the day, and others to judge by. */
export interface Speaker {
  name: string;
  day: readonly Word[];
  test: readonly Word[];
}

export interface Voices {
  source: string;
  /** Before the change of shift, and after it. */
  speakers: readonly [Speaker, Speaker];
}

export const SAMPLE_RATE_HZ = 8000;

const LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/** Of each digit; the others of fifty are said during the day. */
const TEST_TAKES = 15;
const DEMO = "scripts/demo/recordings";

/** Two people whom the base has never heard; without the data set the voices of the demo, which come out of a box already. */
export async function loadVoices(): Promise<Voices> {
  if (existsSync(spokenDigitsFolder())) {
    return {
      source: "Free Spoken Digit Dataset, speakers theo and yweweler",
      speakers: [await fromDataset("theo"), await fromDataset("yweweler")],
    };
  }
  return { source: "the demo's recordings", speakers: [await fromDemo("board-a"), await fromDemo("board-b")] };
}

async function fromDataset(name: string): Promise<Speaker> {
  const folder = spokenDigitsFolder();
  const day: Word[] = [];
  const test: Word[] = [];
  for (const file of (await readdir(folder)).sort()) {
    const [, digit, take] = new RegExp(`^(\\d)_${name}_(\\d+)\\.wav$`).exec(file) ?? [];
    if (digit === undefined) continue;
    const word = await read(path.join(folder, file), LABELS[Number(digit)]!);
    (Number(take) < TEST_TAKES ? test : day).push(word);
  }
  return { name, day, test };
}

async function fromDemo(board: string): Promise<Speaker> {
  const [day, test] = await Promise.all(
    ["train", "test"].map(async (part) =>
      Promise.all((await recordings(path.join(DEMO, board, part))).map(({ file, label }) => read(file, label))),
    ),
  );
  return { name: board, day: day!, test: test! };
}

async function read(file: string, label: string): Promise<Word> {
  return { label, sound: decodeWav(await readFile(file), file).channels[0]! };
}
