import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createPreprocessor, type Preprocessor, type Sample } from "../../../runtime/index.ts";
import { makeRehearsal } from "../../../runtime/package/rehearsal.ts";
import { spokenDigitsFolder } from "../../datasets/shared.ts";
import { LABELS, TRAINING_SPEAKERS, UNSEEN_SPEAKERS } from "../../models/spoken-digits/takes.ts";
import type { RealJob, Situation } from "./job.ts";
import { realModel } from "./models.ts";
import { canSpeak, spoken } from "./spoken.ts";

const OLD = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"];
const NEW = ["two", "six", "eight"];
/** Of espeak-ng; some to learn and to rehearse from, others to judge by. */
const VOICES = {
  train: ["en-us", "en-us+m3", "en-us+f2", "en-gb", "en-gb+f1"],
  test: ["en-gb+m1", "en-us+f4", "en-us+m7", "en-gb+f3"],
};
const TAKES_TO_LEARN_FROM = [0, 1, 2, 3, 4];
const TAKES_TO_TEST_ON = Array.from({ length: 20 }, (_, take) => take + 10);

/** Three words more for a keyword spotter; nobody says the old ones again. */
export const newWords: RealJob = {
  about: `MLPerf Tiny's keyword spotter (DS-CNN, int8, 12 classes) learns ${NEW.join(", ")}: ${TAKES_TO_LEARN_FROM.length} recordings of each by four people of the Free Spoken Digit Dataset and ${VOICES.train.length} voices of espeak-ng; judged by two other people, and by ${VOICES.test.length} other voices that also say ten of its own words. Its rehearsal pack is of the first voices. (Speech Commands, which it was made from, is not on this machine: the old words are synthetic, and the base hears about three of four of them right.)`,
  ways: [
    { method: "head", classes: "extend", rehearsalMix: 1 },
    { method: "head+bias", classes: "extend", rehearsalMix: 1 },
  ],
  async situations() {
    const model = await realModel("mlperf-tiny-kws-int8");
    const data = spokenDigitsFolder();
    if (!model || !existsSync(data) || !canSpeak()) return null;
    const preprocessor = createPreprocessor(model.card.preprocessing);
    const pack = await spoken(OLD, VOICES.train, preprocessor);
    const rehearsal = await makeRehearsal(model.model, model.card, pack, { perClass: pack.length });
    const samples = [
      ...(await said(NEW, TRAINING_SPEAKERS, TAKES_TO_LEARN_FROM, data, preprocessor)),
      ...(await spoken(NEW, VOICES.train, preprocessor)),
    ];
    const situation: Situation = {
      name: "three words",
      model: { ...model, ...(rehearsal && { rehearsal }) },
      samples: () => samples,
      tests: [
        { name: "old words", samples: await spoken(OLD, VOICES.test, preprocessor) },
        { name: "new words, voices", samples: await spoken(NEW, VOICES.test, preprocessor) },
        { name: "new words, people", samples: await said(NEW, UNSEEN_SPEAKERS, TAKES_TO_TEST_ON, data, preprocessor) },
      ],
    };
    return [situation];
  },
};

/** Digits that people say. */
async function said(
  words: readonly string[],
  speakers: readonly string[],
  takes: readonly number[],
  folder: string,
  preprocessor: Preprocessor,
): Promise<Sample[]> {
  const digits = words.map((word) => LABELS.indexOf(word as (typeof LABELS)[number]));
  const samples: Sample[] = [];
  for (const [at, label] of words.entries())
    for (const speaker of speakers)
      for (const take of takes) {
        const name = `${digits[at]}_${speaker}_${take}.wav`;
        const file = await readFile(path.join(folder, name));
        samples.push({
          label,
          id: name,
          features: await preprocessor.features(file, name),
          views: (randoms) => preprocessor.views(file, name, randoms),
        });
      }
  return samples;
}
