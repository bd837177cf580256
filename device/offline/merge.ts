import { loadModel, merge } from "../../runtime/index.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { readAdapter } from "./adapter-file.ts";
import { makePlaceFor } from "./place.ts";

export interface OfflineMergeResult {
  schema: "lichen/merge/1";
  out: string;
  bytes: number;
  base: string;
  adapter: string;
}

/** Folds an adapter into its base: a plain int8 ONNX file that ONNX Runtime serves, from 1.20 on, at the base's speed. */
export async function runOfflineMerge(options: {
  model: string;
  adapter: string;
  out: string;
}): Promise<OfflineMergeResult> {
  const model = await loadModel(options.model);
  const adapter = await readAdapter(options.adapter);
  await makePlaceFor(options.out, options.model);
  const bytes = await merge(model, adapter);
  await writeDurably(nodeDisk, options.out, bytes);
  return {
    schema: "lichen/merge/1",
    out: options.out,
    bytes: bytes.length,
    base: model.sha256,
    adapter: adapter.sha256,
  };
}
