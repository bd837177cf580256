import { LichenError } from "../errors.ts";
import { decodeProto, parseProto } from "../onnx/decode.ts";
import { CARD_KEY } from "../package/package.ts";
import { bringInExternalData, type ReadExternal } from "./external-data.ts";
import { widenHalfFloats } from "./half-floats.ts";
import type { Note } from "./note.ts";
import type { Source } from "./source.ts";

export interface ReadOnnxOptions {
  at: string;
  /** Reads what lies beside the model. */
  external?: ReadExternal;
}

/** @throws MODEL_CORRUPT, UNSUPPORTED_OPERATOR, EXTERNAL_DATA */
export async function readOnnx(
  bytes: Uint8Array,
  { at, external = nothingBeside }: ReadOnnxOptions,
  note: Note,
): Promise<Source> {
  const proto = parseProto(bytes, at);
  const files = await bringInExternalData(proto, external, at);
  if (files.length > 0) note(`weights came from ${files.join(", ")}`);
  if (widenHalfFloats(proto)) note("16-bit floats became 32-bit ones: the same numbers, in twice the bytes");
  const { metadata, ...model } = decodeProto(proto, at);
  const { [CARD_KEY]: _, ...kept } = metadata;
  return { model: { ...model, metadata: kept }, says: {} };
}

const nothingBeside: ReadExternal = async (location) => {
  throw new LichenError("EXTERNAL_DATA", { at: location, found: "only the model's own bytes" });
};
