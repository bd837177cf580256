/**
 * Makes models/ten-objects out of the float network that train.py left here, and of the pictures that synthesize.py made with it:
 *
 *   npx tsc --build && node dist/scripts/models/ten-objects/build.js [folder of CIFAR-10, see scripts/datasets/cifar10.ts]
 *
 * Run from the project's root, with LICHEN_CIFAR10 or the folder as argument: CIFAR-10 calibrates and measures, but none of it is in
 * the package.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { preprocessingSchema } from "../../../runtime/package/card.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { CIFAR10_LABELS, cifar10Folder, readCifar10 } from "../../datasets/cifar10.ts";
import { accuracy, batches } from "../examples.ts";
import { writePackage } from "../package.ts";
import { examplesOf, PREPROCESSING, readSynthetic, SOURCE } from "./pictures.ts";

/** The first training pictures; they come in no order. */
const CALIBRATION = 500;
/** Of each class. */
const REHEARSALS = 16;

const data = process.argv[2] ?? cifar10Folder();
if (data === undefined) throw new Error("name the folder of CIFAR-10, as an argument or in LICHEN_CIFAR10");
const float = decodeModel(await readFile(join(SOURCE, "float.onnx")), "float.onnx");
const calibration = examplesOf(await readCifar10(data, "train"), Array(CALIBRATION).keys());
const int8 = await quantizeModel(float, { samples: batches(calibration, 50) });

const test = examplesOf(await readCifar10(data, "test"));
const on = `CIFAR-10 test set (${test.length})`;
const metrics = [
  { name: "accuracy float", value: await accuracy(float, test), on },
  { name: "accuracy int8", value: await accuracy(int8, test), on },
];
for (const { name, value } of metrics) console.log(`${name}: ${value} on ${on}`);

await writePackage("models/ten-objects", {
  model: int8,
  card: {
    id: "ten-objects",
    version: "1",
    description: "Ten kinds of animals and vehicles in pictures of 32 by 32 pixels. Residual network, int8.",
    licence: "Apache-2.0",
    preprocessing: preprocessingSchema.parse(PREPROCESSING),
    labels: [...CIFAR10_LABELS],
    data: [
      {
        name: "CIFAR-10 (Alex Krizhevsky, 2009; www.cs.toronto.edu/~kriz/cifar.html)",
        licence: "none stated; no picture of it is in this package",
        part: "training: the 50,000 training pictures; the rehearsal pack is pictures synthesized from the network itself",
      },
    ],
    metrics,
  },
  examples: examplesOf(await readSynthetic()),
  perClass: REHEARSALS,
});
