import { decodeTflite } from "../tflite/decode.ts";
import { lowerTflite } from "../tflite/lower.ts";
import { channelsFirstInFile, type Layout } from "./layout.ts";
import type { Note } from "./note.ts";
import type { Source } from "./source.ts";

export interface ReadTfliteOptions {
  at: string;
  layout?: Layout;
}

/** @throws MODEL_CORRUPT, UNSUPPORTED_OPERATOR naming every operator that is not supported */
export async function readTflite(bytes: Uint8Array, { at, layout }: ReadTfliteOptions, note: Note): Promise<Source> {
  const decoded = decodeTflite(bytes, at);
  const model = lowerTflite(decoded);
  const graph = model.graph.inputs.length === 1 ? channelsFirstInFile(model.graph, layout, note) : model.graph;
  return { model: { ...model, graph }, says: decoded.metadata, layout: "nchw" };
}
