import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { decodeModel } from "../../runtime/onnx/decode.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import { preprocessingSchema } from "../../runtime/package/preprocessing.ts";
import { type QuantizeOptions, quantizeWithReport } from "../../runtime/quantize/index.ts";
import { createPreprocessor } from "../../runtime/signal/index.ts";
import { decodeTflite } from "../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../runtime/tflite/lower.ts";
import { cifar10Features, cifar10Folder, pixelsOf, readCifar10 } from "../datasets/cifar10.ts";
import { sharedFolder, spokenDigitsFolder, trashnetFolder } from "../datasets/shared.ts";
import { batches, type Example, predict } from "../models/examples.ts";
import { readTakes, TAKES, TRAINING_SPEAKERS } from "../models/spoken-digits/takes.ts";
import { markdownTable } from "./tables.ts";

/** A float model, what it is calibrated on, and what it is judged by. */
interface Subject {
  name: string;
  model: Model;
  calibration: readonly Example[];
  /** Examples whose label is null are judged by whether int8 says what float says. */
  test: readonly Judged[];
}

type Judged = Omit<Example, "label"> & { label: number | null };

type Ways = Omit<QuantizeOptions, "samples">;

const WAYS: Readonly<Record<string, Ways>> = {
  minmax: { method: "minmax" },
  percentile: { method: "percentile" },
  entropy: { method: "entropy" },
  "minmax, equalized": { method: "minmax", equalize: true },
  "minmax, biases corrected": { method: "minmax", correctBiases: true },
  "minmax, 8-bit weights": { method: "minmax", reducedRange: false },
  "auto (what the command does)": { method: "auto", equalize: "auto", correctBiases: true },
  "auto, arm64": { method: "auto", equalize: "auto", correctBiases: true, target: "arm64" },
};

/** What quantizing costs in accuracy, way by way; of models without labelled data how often the class stays the same. */
export async function benchQuantize(threads: number): Promise<string> {
  const rows: string[][] = [];
  const add = (...row: string[]) => {
    rows.push(row);
    process.stderr.write(`${row.join("  ")}\n`); // it takes a while, and tells what it has so far
  };
  const missing: string[] = [];
  for (const subjectOf of [spokenDigits, resnet8, visualWakeWords, mobilenet]) {
    const subject = await subjectOf();
    if (typeof subject === "string") {
      missing.push(`(without ${subject})\n\n`);
      continue;
    }
    const { name, model, calibration, test } = subject;
    const exact = await predict(model, test, threads);
    const labelled = test.every(({ label }) => label !== null);
    const judged = (found: readonly number[]) =>
      percent(found.filter((label, at) => label === (test[at]!.label ?? exact[at])).length / found.length);
    add(name, "float", labelled ? judged(exact) : "–", "", "");
    for (const [way, options] of Object.entries(WAYS)) {
      const samples = [...batches(calibration, 16)];
      const { model: int8, report } = await quantizeWithReport(model, { ...options, samples, threads });
      add(
        name,
        way,
        judged(await predict(int8, test, threads)),
        `${report.outputDecibels.toFixed(1)} dB`,
        way.startsWith("auto")
          ? `${report.method}${report.equalizedPairs > 0 ? ", equalized" : ""}${report.biasesCorrected ? ", biases corrected" : ""}`
          : "",
      );
    }
  }
  const header = ["model", "quantized", "accuracy, or same class as float", "answers", "chosen"];
  return `${missing.join("")}${markdownTable(header, rows)}`;
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

/** A subject, or what is missing. */
type SubjectOrMissing = Promise<Subject | string>;

/** Every fifth training take to calibrate on, as build.ts does; all held-out takes to judge by. */
async function spokenDigits(): SubjectOrMissing {
  const [source, data] = ["scripts/models/spoken-digits", spokenDigitsFolder()];
  if (!existsSync(data)) return `spoken digits: no ${data}; set LICHEN_SHARED`;
  const frontEnd: unknown = JSON.parse(await readFile(path.join(source, "front-end.json"), "utf8"));
  const preprocessor = createPreprocessor(preprocessingSchema.parse(frontEnd));
  const training = await readTakes(data, preprocessor, TRAINING_SPEAKERS, TAKES.training);
  return {
    name: "spoken-digits",
    model: decodeModel(await readFile(path.join(source, "float.onnx")), "float.onnx"),
    calibration: training.filter((_, index) => index % 5 === 0),
    test: await readTakes(data, preprocessor, TRAINING_SPEAKERS, TAKES.heldOut),
  };
}

/** MLPerf Tiny's ResNet-8 takes pixels as they are. */
async function resnet8(): SubjectOrMissing {
  const folder = cifar10Folder();
  const model = await tflite("mlperf_ic_resnet8.float32");
  if (!folder || !model) return "ResNet-8: no CIFAR-10 or no model; set LICHEN_CIFAR10 and LICHEN_SHARED";
  const examples = async (part: "train" | "test", count: number, stride: number): Promise<Example[]> => {
    const set = await readCifar10(folder, part);
    return Array.from({ length: count }, (_, index) => index * stride).map((at) => ({
      label: set.labels[at]!,
      features: cifar10Features(pixelsOf(set, at)),
    }));
  };
  return {
    name: "ResNet-8 on CIFAR-10",
    model,
    calibration: await examples("train", 200, 250),
    test: await examples("test", 10_000, 1),
  };
}

const visualWakeWords = () =>
  pictures("MobileNetV1-0.25, person or none", "mlperf_vww_mobilenet.float32", { size: 96, mean: 0, std: 255 });

const mobilenet = () =>
  pictures("MobileNetV1-0.25, ImageNet", "mobilenet_v1_0.25_224.float32", { size: 224, mean: 127.5, std: 127.5 });

interface PictureInput {
  size: number;
  mean: number;
  std: number;
}

/** Pictures at hand that the model was not made for: what it says of them is its own, but that is enough to compare. */
async function pictures(name: string, file: string, { size, mean, std }: PictureInput): SubjectOrMissing {
  const [data, model] = [trashnetFolder(), await tflite(file)];
  if (!model || !existsSync(data)) return `${name}: no model or no pictures; set LICHEN_SHARED`;
  const three = (value: number) => [value, value, value];
  const preprocessor = createPreprocessor({
    ...{ kind: "image", width: size, height: size, channels: 3 },
    ...{ mean: three(mean), std: three(std) },
  } as Parameters<typeof createPreprocessor>[0]);
  const examples = async (part: string, stride: number): Promise<Judged[]> => {
    const found: Judged[] = [];
    for (const label of await readdir(path.join(data, part))) {
      const files = (await readdir(path.join(data, part, label))).filter((_, at) => at % stride === 0);
      for (const each of files) {
        const place = path.join(data, part, label, each);
        found.push({ label: null, features: await preprocessor.features(await readFile(place), place) });
      }
    }
    return found;
  };
  const calibration = (await examples("train", 16)).map(({ features }) => ({ label: 0, features }));
  return { name, model, calibration, test: await examples("val", 1) };
}

async function tflite(name: string): Promise<Model | undefined> {
  const file = path.join(sharedFolder(), "models", `${name}.tflite`);
  return existsSync(file) ? lowerTflite(decodeTflite(await readFile(file), file)) : undefined;
}
