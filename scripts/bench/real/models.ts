import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { importModel } from "../../../runtime/import/index.ts";
import type { Preprocessing } from "../../../runtime/index.ts";
import { encodePackage } from "../../../runtime/package/encode.ts";
import { type ModelPackage, sha256 } from "../../../runtime/package/package.ts";

/** Third-party files that are never part of the project: models and data sets. */
export const sharedFolder = (): string => process.env.LICHEN_SHARED ?? "../shared";

/** From a card's name in models/catalogue to the model's file among the shared ones. */
const FILES = {
  "mlperf-tiny-ic-int8": "mlperf_ic_resnet8.int8.tflite",
  "mlperf-tiny-kws-int8": "mlperf_kws_dscnn.int8.tflite",
  "mobilenet-v2-int8-labels": "mobilenet_v2_1.0_224.int8.tflite",
  "yamnet-int8": "yamnet.int8.tflite",
} as const;

export type RealModel = keyof typeof FILES;

interface CatalogueCard {
  preprocessing: Preprocessing;
  labels: readonly string[] | { in: string };
}

/** A model as `lichen import FILE --card NAME` makes it; null where its file is not on this machine. */
export async function realModel(name: RealModel): Promise<ModelPackage | null> {
  const file = path.join(sharedFolder(), "models", FILES[name]);
  if (!existsSync(file)) return null;
  const { preprocessing, labels } = JSON.parse(
    await readFile(`models/catalogue/${name}.json`, "utf8"),
  ) as CatalogueCard;
  const imported = await importModel({
    bytes: await readFile(file),
    at: file,
    preprocessing,
    ...(Array.isArray(labels) && { labels: labels as readonly string[] }),
  });
  const { card, files } = encodePackage({ model: imported.model, card: imported.card });
  const bytes = files["model.onnx"]!;
  return { path: name, card, model: imported.model, bytes, sha256: sha256(bytes) };
}
