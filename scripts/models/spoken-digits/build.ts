/**
 * Makes models/spoken-digits out of the float network that train.py left here, and of the recordings:
 *
 *   npx tsc --build && node dist/scripts/models/spoken-digits/build.js [folder of the Free Spoken Digit Dataset]
 *
 * Run from the project's root; the same inputs give the same bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { int64 } from "../../../runtime/onnx/tensor.ts";
import { type Card, parseCard, preprocessingSchema } from "../../../runtime/package/card.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { createPreprocessor } from "../../../runtime/signal/index.ts";
import {
  accuracy,
  batches,
  LABELS,
  predict,
  readTakes,
  TAKES,
  type Take,
  TRAINING_SPEAKERS,
  UNSEEN_SPEAKERS,
} from "./takes.ts";

const SOURCE = "scripts/models/spoken-digits";
const PACKAGE = "models/spoken-digits";
/** Per speaker and digit: eight per class from four speakers. */
const REHEARSALS = 2;

const data = process.argv[2] ?? join(process.env.LICHEN_SHARED ?? "../shared", "data/fsdd");
const float = decodeModel(await readFile(join(SOURCE, "float.onnx")), "float.onnx");
const preprocessing = preprocessingSchema.parse(JSON.parse(await readFile(join(SOURCE, "front-end.json"), "utf8")));
const preprocessor = createPreprocessor(preprocessing);

const training = await readTakes(data, preprocessor, TRAINING_SPEAKERS, TAKES.training);
const heldOut = await readTakes(data, preprocessor, TRAINING_SPEAKERS, TAKES.heldOut);

// Every fifth take: all speakers, all digits.
const calibration = training.filter((_, index) => index % 5 === 0).map(({ features }) => features);
const int8 = await quantizeModel(float, { samples: batches(calibration, 16) });
const full = await quantizeModel(float, { samples: batches(calibration, 16), reducedRange: false });

const model = encodeModel(int8);
const rehearsal = await rehearsalPack(int8, training, sha256(model));
const metrics = await measure();
const card: Card = {
  format: 1,
  id: "spoken-digits",
  version: "1",
  description: "The ten English digits, one spoken word a second. Depthwise-separable CNN on log-mel features, int8.",
  licence: "Apache-2.0 (the weights); CC BY-SA 4.0 (rehearsal.safetensors, features of the data)",
  sha256: sha256(model),
  preprocessing,
  labels: [...LABELS],
  data: [
    {
      name: "Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset)",
      licence: "CC BY-SA 4.0",
      part: "training: speakers george, jackson, lucas, nicolas, takes 10-49; the rehearsal pack is features of these",
    },
  ],
  metrics,
  rehearsal: { sha256: sha256(rehearsal) },
};
const text = `${JSON.stringify(card, null, 2)}\n`;
parseCard(text, "card.json");

await mkdir(PACKAGE, { recursive: true });
await writeFile(join(PACKAGE, "model.onnx"), model);
await writeFile(join(PACKAGE, "rehearsal.safetensors"), rehearsal);
await writeFile(join(PACKAGE, "card.json"), text);
console.log(`${PACKAGE}: model ${model.length} bytes, rehearsal ${rehearsal.length} bytes`);

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

/**
 * What adaptation must not forget: training takes as the quantized input of the model, only such as the model gets right, since
 * what it never knew cannot be forgotten.
 */
async function rehearsalPack(model: Model, takes: readonly Take[], modelSha256: string): Promise<Uint8Array> {
  const predicted = await predict(
    model,
    takes.map(({ features }) => features),
  );
  const right = takes.filter(({ digit }, index) => predicted[index] === digit);
  const chosen = TRAINING_SPEAKERS.flatMap((speaker) =>
    [...LABELS.keys()].flatMap((digit) =>
      right.filter((take) => take.speaker === speaker && take.digit === digit).slice(0, REHEARSALS),
    ),
  );
  const [features] = batches(
    chosen.map(({ features }) => features),
    chosen.length,
  );
  // The quantized input is a value inside the graph: asked for as an output, it is computed and nothing else is.
  const value = "features_q";
  const session = await openSession({ ...model, graph: { ...model.graph, outputs: [{ name: value }] } });
  const { [value]: quantized } = await session.run({ features: features! });
  await session.close();
  const labels = int64(chosen.map(({ digit }) => digit));
  return encodeSafetensors(
    new Map([
      [value, quantized!],
      ["labels", labels],
    ]),
    { value, model: modelSha256 },
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
