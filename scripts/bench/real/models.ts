import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { importBytes } from "../../../device/offline/import-file.ts";
import { encodePackage } from "../../../runtime/package/encode.ts";
import { type ModelPackage, sha256 } from "../../../runtime/package/package.ts";
import { sharedFolder } from "../../datasets/shared.ts";

/** From a card's name in models/catalogue to the model's file among the shared ones. */
const FILES = {
  "mlperf-tiny-ic-int8": "mlperf_ic_resnet8.int8.tflite",
  "mlperf-tiny-kws-int8": "mlperf_kws_dscnn.int8.tflite",
  "mobilenet-v2-int8-labels": "mobilenet_v2_1.0_224.int8.tflite",
  "yamnet-int8": "yamnet.int8.tflite",
} as const;

export type RealModel = keyof typeof FILES;

/** A model as `lichen import FILE` makes it, which knows the catalogue; null where its file is not on this machine. */
export async function realModel(name: RealModel): Promise<ModelPackage | null> {
  const file = path.join(sharedFolder(), "models", FILES[name]);
  if (!existsSync(file)) return null;
  const { model, card: draft } = await importBytes(await readFile(file), file, {});
  const { card, files } = encodePackage({ model, card: draft });
  const bytes = files["model.onnx"]!;
  return { path: name, card, model, bytes, sha256: sha256(bytes) };
}
