import { LichenError } from "../errors.ts";
import { decodeTflite } from "../tflite/decode.ts";
import type { Source } from "./source.ts";

export interface ReadTfliteOptions {
  at: string;
}

/** @throws MODEL_CORRUPT, UNSUPPORTED_OPERATOR naming every operator that is not supported */
export async function readTflite(bytes: Uint8Array, { at }: ReadTfliteOptions): Promise<Source> {
  const decoded = decodeTflite(bytes, at);
  throw new LichenError("UNSUPPORTED_OPERATOR", { at, found: `${decoded.operators.length} TFLite operators` });
}
