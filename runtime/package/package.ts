import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { decodeSafetensors } from "../adapter/safetensors.ts";
import { type ErrorCode, LichenError } from "../errors.ts";
import { decodeModel } from "../onnx/decode.ts";
import type { Model, ValueName } from "../onnx/graph.ts";
import { assertNumbers } from "../onnx/numbers.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { type Card, parseCard } from "./card.ts";
import { formatOf } from "./file-kind.ts";

/** A few examples of every class from the base's own training, so that an adapter can be kept from forgetting them. */
export interface Rehearsal {
  /** The value of the model that `features` hold, usually the quantized input. */
  value: ValueName;
  /** [count, …], uint8 or int8 */
  features: Tensor;
  /** [count]: indices into the card's labels */
  labels: readonly number[];
}

export interface ModelPackage {
  path: string;
  card: Card;
  model: Model;
  /** Of `model.onnx`, as on disk. */
  bytes: Uint8Array;
  sha256: string;
  rehearsal?: Rehearsal;
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** sha256 of what values have to say, as JSON. */
export const fingerprint = (...values: readonly unknown[]): string =>
  sha256(new TextEncoder().encode(JSON.stringify(values)));

/** Where a merged model carries its card, in the ONNX metadata. */
export const CARD_KEY = "lichen.card";

/**
 * Loads a package folder (`model.onnx`, `card.json` and, where the card names it, `rehearsal.safetensors`), or a bare `.onnx`
 * that carries its card in its metadata, as merged models do.
 * @throws MODEL_NOT_FOUND, MODEL_CORRUPT (also when the hash is not the card's), BAD_CARD, REHEARSAL_CORRUPT
 */
export async function loadModel(location: string): Promise<ModelPackage> {
  const found = await stat(location).catch((cause: unknown) => {
    throw new LichenError("MODEL_NOT_FOUND", { at: location, cause });
  });
  return found.isDirectory() ? loadFolder(location) : loadFile(location);
}

async function loadFolder(folder: string): Promise<ModelPackage> {
  const cardPath = path.join(folder, "card.json");
  const card = parseCard(new TextDecoder().decode(await readPart(cardPath, "BAD_CARD")), cardPath);
  const modelPath = path.join(folder, "model.onnx");
  const bytes = await readPart(modelPath);
  const hash = sha256(bytes);
  if (hash !== card.sha256)
    throw new LichenError("MODEL_CORRUPT", { at: modelPath, found: `sha256 ${hash}`, wanted: card.sha256 });
  const model = decodeModel(bytes, modelPath);
  assertNumbers(model.graph, modelPath);
  return {
    path: folder,
    card,
    model,
    bytes,
    sha256: hash,
    ...(card.rehearsal && { rehearsal: await loadRehearsal(folder, card) }),
  };
}

async function loadFile(file: string): Promise<ModelPackage> {
  const bytes = await readPart(file);
  if (formatOf(bytes, file) === "tflite") throw bare(file, "a bare TFLite model");
  const model = decodeModel(bytes, file);
  assertNumbers(model.graph, file);
  const text = model.metadata[CARD_KEY];
  if (text === undefined) throw bare(file, "a bare model");
  return { path: file, card: parseCard(text, `${file}: ${CARD_KEY}`), model, bytes, sha256: sha256(bytes) };
}

/** A file is only half of what is needed. */
const bare = (at: string, found: string) =>
  new LichenError("BAD_CARD", {
    at,
    found,
    wanted: "its labels and preprocessing",
    todo: `make a package of it with lichen import ${at} --out ‹folder›, and name that`,
  });

async function loadRehearsal(folder: string, card: Card): Promise<Rehearsal> {
  const at = path.join(folder, "rehearsal.safetensors");
  const bytes = await readPart(at, "REHEARSAL_CORRUPT");
  const hash = sha256(bytes);
  const corrupt = (found: string, wanted: string) => new LichenError("REHEARSAL_CORRUPT", { at, found, wanted });
  if (hash !== card.rehearsal?.sha256) throw corrupt(`sha256 ${hash}`, `${card.rehearsal?.sha256}`);
  const { tensors, metadata } = decodeSafetensors(bytes, at);
  const features = tensors.get(metadata.value ?? "");
  const labels = Array.from(tensors.get("labels")?.data ?? [], Number);
  if (!features || !metadata.value || features.dims[0] !== labels.length) {
    throw corrupt([...tensors.keys()].join(", "), "as many labels as features of the value that the metadata names");
  }
  if (metadata.model !== card.sha256) throw corrupt(`for model ${metadata.model}`, card.sha256);
  if (labels.some((label) => !(label in card.labels)))
    throw corrupt("labels beyond the card's", `0 to ${card.labels.length - 1}`);
  return { value: metadata.value, features, labels };
}

/** @param missing the code of the part, so that a package without it is not told that there is no model */
const readPart = (file: string, missing: ErrorCode = "MODEL_NOT_FOUND"): Promise<Uint8Array> =>
  readFile(file).catch((cause: unknown) => {
    throw new LichenError(missing, { at: file, found: "no readable file", cause });
  });
