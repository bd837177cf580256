import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Dim, Model } from "../../../runtime/onnx/graph.ts";
import { type ElementType, int64 } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";

/** A network for pictures of 3 × 8 × 6 and four classes, as an exporter might have written it. */
export interface Written {
  /** Of the input, channels first. */
  batch?: Dim;
  /** The input's channels come last, and a Transpose brings them to the front. */
  channelsLast?: boolean;
  inputType?: ElementType;
  height?: Dim;
  /** What the features are laid flat by: a Reshape with the batch in its target, or without it. */
  target?: readonly number[];
}

export const PICTURE = { channels: 3, height: 8, width: 6, classes: 4 } as const;

export function network(written: Written = {}): Model {
  const { batch = "N", channelsLast = false, inputType = "float32", height = PICTURE.height } = written;
  const next = random(3);
  const b = new GraphBuilder();
  const { channels, width, classes } = PICTURE;
  const shape = channelsLast ? [batch, height, width, channels] : [batch, channels, height, width];
  let x = b.input("picture", inputType, shape);
  if (channelsLast) x = b.add("Transpose", [x], { perm: [0, 3, 1, 2] });
  if (inputType !== "float32") x = b.add("Cast", [x], { to: 1 });
  const weight = b.constant("stem_weight", noise([5, channels, 3, 3], next));
  x = b.add("Relu", [b.add("Conv", [x, weight], { strides: [2, 2], pads: [1, 1, 1, 1] }, "stem")]);
  x = b.add("GlobalAveragePool", [x]);
  const target = b.constant("flat", int64([...(written.target ?? [batch === "N" ? -1 : Number(batch), 5])]));
  x = b.add("Reshape", [x, target]);
  const logits = b.add("Gemm", [x, b.constant("head_weight", noise([5, classes], next))], {}, "logits");
  b.output(logits, { type: "float32", shape: [batch, classes] });
  return asModel(b.build("network"));
}

export const bytesOf = (written?: Written): Uint8Array => encodeModel(network(written));
