/**
 * Makes models/spoken-digits out of the float network that train.py left here, and of the recordings:
 *
 *   npx tsc --build && node dist/scripts/models/spoken-digits/build.js [folder of the Free Spoken Digit Dataset]
 *
 * Run from the project's root; the same inputs give the same bytes.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { type Card, preprocessingSchema } from "../../../runtime/package/card.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { createPreprocessor } from "../../../runtime/signal/index.ts";
import { spokenDigitsFolder } from "../../datasets/shared.ts";
import { accuracy, batches, known } from "../examples.ts";
import { writePackage } from "../package.ts";
import { LABELS, readTakes, TAKES, type Take, TRAINING_SPEAKERS, UNSEEN_SPEAKERS } from "./takes.ts";

const SOURCE = "scripts/models/spoken-digits";
/** Per speaker and digit: eight per class from four speakers. */
const REHEARSALS = 2;

const data = process.argv[2] ?? spokenDigitsFolder();
const float = decodeModel(await readFile(join(SOURCE, "float.onnx")), "float.onnx");
const preprocessing = preprocessingSchema.parse(JSON.parse(await readFile(join(SOURCE, "front-end.json"), "utf8")));
const preprocessor = createPreprocessor(preprocessing);

const training = await readTakes(data, preprocessor, TRAINING_SPEAKERS, TAKES.training);
const heldOut = await readTakes(data, preprocessor, TRAINING_SPEAKERS, TAKES.heldOut);

// Every fifth take: all speakers, all digits.
const calibration = training.filter((_, index) => index % 5 === 0);
const int8 = await quantizeModel(float, { samples: batches(calibration, 16) });
const full = await quantizeModel(float, { samples: batches(calibration, 16), reducedRange: false });

await writePackage("models/spoken-digits", {
  model: int8,
  card: {
    id: "spoken-digits",
    version: "2",
    description: "The ten English digits, one spoken word a second. Depthwise-separable CNN on log-mel features, int8.",
    licence: "Apache-2.0 (the weights); CC BY-SA 4.0 (rehearsal.safetensors, features of the data)",
    preprocessing,
    labels: [...LABELS],
    data: [
      {
        name: "Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset)",
        licence: "CC BY-SA 4.0",
        part: "training: speakers george, jackson, lucas, nicolas, takes 10-49; the rehearsal pack is features of these",
      },
      {
        name: "voices of espeak-ng 1.51",
        licence: "its output is free",
        part: "training: 15 % of each batch; not the accent of the demo",
      },
    ],
    metrics: await measure(),
  },
  examples: await ofEveryVoice(int8, training),
  perClass: REHEARSALS * TRAINING_SPEAKERS.length,
});

async function measure(): Promise<Card["metrics"]> {
  const on = "takes 0-4 of the training speakers, held out (200)";
  const measured = [
    { name: "accuracy float", value: await accuracy(float, heldOut), on },
    { name: "accuracy int8", value: await accuracy(int8, heldOut), on },
  ];
  console.log(`8-bit weights, for comparison: ${await accuracy(full, heldOut)} held out`);
  for (const speaker of UNSEEN_SPEAKERS) {
    const unseen = await readTakes(data, preprocessor, [speaker], TAKES.all);
    measured.push({
      name: "accuracy int8",
      value: await accuracy(int8, unseen),
      on: `speaker ${speaker}, unseen (500)`,
    });
    console.log(`float, speaker ${speaker}: ${await accuracy(float, unseen)}`);
  }
  for (const { name, value, on } of measured) console.log(`${name}: ${value} on ${on}`);
  return measured;
}

/** As many takes of every speaker and digit: no voice shall be forgotten for another. */
async function ofEveryVoice(model: Model, takes: readonly Take[]): Promise<Take[]> {
  const right = await known(model, takes);
  return TRAINING_SPEAKERS.flatMap((speaker) =>
    [...LABELS.keys()].flatMap((digit) =>
      right.filter((take) => take.speaker === speaker && take.label === digit).slice(0, REHEARSALS),
    ),
  );
}
