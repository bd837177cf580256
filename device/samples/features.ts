import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { decodeSafetensors, encodeSafetensors } from "../../runtime/adapter/safetensors.ts";
import { LichenError } from "../../runtime/errors.ts";
import { float16Bits } from "../../runtime/onnx/half-floats.ts";
import { type Tensor, tensor } from "../../runtime/onnx/tensor.ts";
import { fingerprint } from "../../runtime/package/package.ts";
import type { Preprocessing } from "../../runtime/package/preprocessing.ts";
import { fullPreprocessing } from "../../runtime/signal/preprocess.ts";
import type { Preprocessor } from "../../runtime/signal/preprocessor.ts";
import { float16Of } from "./float16.ts";

/** Of files that hold what the model takes in of a sample, and nothing else of it. */
export const FEATURES_EXTENSION = ".safetensors";

const NAME = "features";
const ENCODING = "float16";

/** Names what features were made by: those of another preprocessing are no use, and would spoil what is trained on them. */
export const preprocessingId = (card: Preprocessing): string => fingerprint(fullPreprocessing(card));

/**
 * What the model takes in of a stored sample, whichever way it is kept.
 * @param madeBy the preprocessor's id
 * @throws BAD_SAMPLE, and as `Preprocessor.features`
 */
export async function sampleFeatures(
  path: string,
  preprocessor: Pick<Preprocessor, "features">,
  madeBy: string,
): Promise<Tensor<"float32">> {
  const bytes = await readFile(path);
  return extname(path) === FEATURES_EXTENSION
    ? decodeFeatures(bytes, path, madeBy)
    : preprocessor.features(bytes, path);
}

/**
 * As 16-bit floats: 11 bits of a value survive, where an int8 model keeps eight of them. Held as uint16, by their bits.
 * @throws BAD_SAMPLE for a value that float16 has no room for
 */
export function encodeFeatures({ dims, data }: Tensor<"float32">, madeBy: string): Uint8Array {
  const halves = Uint16Array.from(data, float16Of);
  return encodeSafetensors(new Map([[NAME, tensor("uint16", dims, halves)]]), { encoding: ENCODING, madeBy });
}

/** @throws BAD_SAMPLE for a file that does not hold features, or those of another preprocessing */
export function decodeFeatures(bytes: Uint8Array, at: string, madeBy: string): Tensor<"float32"> {
  const bad = (found: string, cause?: unknown) =>
    new LichenError("BAD_SAMPLE", { at, found, wanted: "features as this daemon writes them", cause });
  let file: ReturnType<typeof decodeSafetensors>;
  try {
    file = decodeSafetensors(bytes, at);
  } catch (cause) {
    throw bad("damage", cause);
  }
  const features = file.tensors.get(NAME);
  if (features?.type !== "uint16" || file.metadata.encoding !== ENCODING) throw bad("other tensors");
  if (file.metadata.madeBy !== madeBy) throw bad("features of another preprocessing");
  const bits = Uint32Array.from(features.data as Uint16Array, float16Bits);
  return tensor("float32", features.dims, new Float32Array(bits.buffer));
}
