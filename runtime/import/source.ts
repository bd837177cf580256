import type { Model } from "../onnx/graph.ts";
import type { TfliteMetadata } from "../tflite/model.ts";
import type { Layout } from "./layout.ts";

/** What a file holds, whatever its format: a model as ONNX means it, and what the file says of it. */
export interface Source {
  model: Model;
  says: TfliteMetadata;
  /** Of the model's input, where reading the file has settled it. */
  layout?: Layout;
}
