import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseCatalogueCard } from "../../../device/models/card.ts";
import type { Preprocessing } from "../../../runtime/package/card.ts";
import { sharedFolder, spokenDigitsFolder, trashnetFolder } from "../../datasets/shared.ts";

/** Models of the field, each with the card in models/catalogue that says what it sees or hears. */
export const FIELD_MODELS: readonly (readonly [file: string, card: string | Preprocessing])[] = [
  ["mlperf_ad_autoencoder.int8", "mlperf-tiny-ad-int8"],
  ["mlperf_ic_resnet8.int8", "mlperf-tiny-ic-int8"],
  ["mlperf_ic_resnet8.float32", "mlperf-tiny-ic-float"],
  ["mlperf_kws_dscnn.int8", "mlperf-tiny-kws-int8"],
  ["mlperf_vww_mobilenet.int8", "mlperf-tiny-vww-int8"],
  ["mlperf_vww_mobilenet.float32", "mlperf-tiny-vww-float"],
  ["mobilenet_v1_0.25_128.uint8", "mobilenet-v1-0.25-128-uint8"],
  ["mobilenet_v1_0.25_224.float32", "mobilenet-v1-0.25-224-float"],
  ["mobilenet_v2_1.0_224.int8", "mobilenet-v2-int8-labels"],
  ["yamnet.int8", "yamnet-int8"],
  ["audioset_cnn.float32", { kind: "waveform", sampleRateHz: 16_000, windowSamples: 5360 }],
];

export const modelPath = (file: string): string => path.join(sharedFolder(), "models", `${file}.tflite`);

export function preprocessingOf(card: string | Preprocessing): Preprocessing {
  if (typeof card !== "string") return card;
  const file = `models/catalogue/${card}.json`;
  return parseCatalogueCard(readFileSync(file, "utf8"), file).preprocessing;
}

/** Every so many of the pictures of TrashNet, or of the recordings of FSDD. */
export function realFiles(preprocessing: Preprocessing, count: number): string[] {
  const all =
    preprocessing.kind === "image" ? picturesOf(path.join(trashnetFolder(), "val")) : soundsOf(spokenDigitsFolder());
  const wanted = Math.min(count, all.length);
  return Array.from({ length: wanted }, (_, at) => all[Math.floor((at * all.length) / wanted)]!);
}

const picturesOf = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .flatMap((name) => filesIn(path.join(folder, name), ".jpg"));

const soundsOf = (folder: string): string[] => filesIn(folder, ".wav");

const filesIn = (folder: string, extension: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(extension))
        .sort()
        .map((name) => path.join(folder, name))
    : [];
