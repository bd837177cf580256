import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { createPreprocessor, type Preprocessor, type Sample } from "../../../runtime/index.ts";
import { spokenDigitsFolder } from "../../datasets/shared.ts";
import type { RealJob, Way } from "./job.ts";
import { realModel } from "./models.ts";

/** Takes of each digit by each speaker. */
const TAKES_TO_LEARN_FROM = 4;
const TAKES_TO_TEST_ON = 8;

const transfer: Omit<Way, "method"> = { classes: "replace" };

/** Six voices for a network of 521 kinds of sound: first behind its embedding of 1024 numbers, then from within. */
export const speakers: RealJob = {
  about:
    "YAMNet (int8, AudioSet) → who speaks: six speakers of the Free Spoken Digit Dataset, 40 recordings of each to learn from, 80 others to judge by.",
  ways: [
    { ...transfer, method: "head" },
    { ...transfer, method: "head+bias+scale", targets: ["last:5"], epochs: 30 },
    { ...transfer, method: "lora", targets: ["last:5"], epochs: 30 },
  ],
  async situations() {
    const model = await realModel("yamnet-int8");
    const data = spokenDigitsFolder();
    if (!model || !existsSync(data)) return null;
    const recordings = await recordingsIn(data, createPreprocessor(model.card.preprocessing));
    const takes = (from: number, count: number): Sample[] =>
      recordings.filter(({ take }) => take >= from && take < from + count).map(({ sample }) => sample);
    return [
      {
        name: "six speakers",
        model,
        samples: () => takes(0, TAKES_TO_LEARN_FROM),
        tests: [{ name: "other takes", samples: takes(20, TAKES_TO_TEST_ON) }],
      },
    ];
  },
};

/** Files are named after digit, speaker and take. */
async function recordingsIn(folder: string, preprocessor: Preprocessor): Promise<{ take: number; sample: Sample }[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".wav")).sort();
  return files.map((name) => {
    const [, speaker, take] = path.basename(name, ".wav").split("_") as [string, string, string];
    const file = path.join(folder, name);
    const bytes = () => readFile(file);
    return {
      take: Number(take),
      sample: {
        label: speaker,
        id: name,
        features: async () => preprocessor.features(await bytes(), file),
        views: async (randoms) => preprocessor.views(await bytes(), file, randoms),
      },
    };
  });
}
