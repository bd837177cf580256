import * as ort from "onnxruntime-node";
import { LichenError } from "../errors.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Model } from "../onnx/graph.ts";
import type { ElementArray, ElementType, Tensor } from "../onnx/tensor.ts";
import { type SessionOptions, sessionOptions } from "./session-options.ts";

export type Tensors = Readonly<Record<string, Tensor>>;

/** A graph loaded into ONNX Runtime. Runs block the calling thread for as long as they take. */
export interface Session {
  run(inputs: Tensors, outputs?: readonly string[]): Promise<Record<string, Tensor>>;
  close(): Promise<void>;
}

/** @throws MODEL_CORRUPT when ONNX Runtime refuses the graph. */
export async function openSession(model: Model | Uint8Array, options: SessionOptions = {}): Promise<Session> {
  const isFile = model instanceof Uint8Array;
  const bytes = isFile ? model : encodeModel(model);
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, sessionOptions(isFile ? "model" : "derived", options));
  } catch (cause) {
    throw new LichenError("MODEL_CORRUPT", { found: String(cause instanceof Error ? cause.message : cause), cause });
  }
  return {
    async run(inputs, outputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, toOrt(value)]));
      const results = outputs ? await session.run(feeds, outputs) : await session.run(feeds);
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(value)]));
    },
    close: () => session.release(),
  };
}

const toOrt = (value: Tensor): ort.Tensor =>
  new ort.Tensor(value.type, value.data as ort.Tensor["data"] & ElementArray, value.dims);

const fromOrt = (value: ort.Tensor): Tensor => ({
  type: value.type as ElementType,
  dims: value.dims,
  data: value.data as ElementArray,
});
