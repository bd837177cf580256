import { decodeTflite } from "../tflite/decode.ts";
import { lowerTflite } from "../tflite/lower.ts";
import type { Source } from "./source.ts";

/** @throws MODEL_CORRUPT, UNSUPPORTED_OPERATOR naming every operator that is not supported */
export async function readTflite(bytes: Uint8Array, { at }: { at: string }): Promise<Source> {
  const decoded = decodeTflite(bytes, at);
  return { model: lowerTflite(decoded), says: decoded.metadata };
}
