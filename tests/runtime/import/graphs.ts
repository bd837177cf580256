import { create, toBinary } from "@bufbuild/protobuf";
import { openSession } from "../../../runtime/execute/session.ts";
import { type Imported, type ImportOptions, importModel } from "../../../runtime/import/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { parseProto } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import {
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
} from "../../../runtime/onnx/generated/onnx_pb.ts";
import type { Dim, Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { type ElementType, int64, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";

/** A network for pictures, as some exporter might have written it. */
export interface Written {
  /** The input's first size. */
  batch?: Dim;
  height?: Dim;
  /** The input's channels come last, and a Transpose brings them to the front. */
  channelsLast?: boolean;
  inputType?: ElementType;
  /** Between the features, [batch, 5, 1, 1], and what is multiplied with the head's weight, [batch, 5]. */
  flatten?: (b: GraphBuilder, features: ValueName) => ValueName;
  /** Behind the logits, [batch, 4]. */
  end?: (b: GraphBuilder, logits: ValueName) => ValueName;
}

export const PICTURE = { channels: 3, height: 8, width: 6, classes: 4 } as const;

export function network(written: Written = {}): Model {
  const { batch = "N", height = PICTURE.height, channelsLast = false, inputType = "float32" } = written;
  const { channels, width, classes } = PICTURE;
  const next = random(3);
  const b = new GraphBuilder();
  const shape = channelsLast ? [batch, height, width, channels] : [batch, channels, height, width];
  let x = b.input("picture", inputType, shape);
  if (channelsLast) x = b.add("Transpose", [x], { perm: [0, 3, 1, 2] });
  if (inputType !== "float32") x = b.add("Cast", [x], { to: 1 });
  const stem = b.constant("stem_weight", sixtyFourths(noise([5, channels, 3, 3], next, 2)));
  x = b.add("Relu", [b.add("Conv", [x, stem], { strides: [2, 2], pads: [1, 1, 1, 1] }, "stem")]);
  x = b.add("GlobalAveragePool", [x]);
  x = written.flatten ? written.flatten(b, x) : b.add("Flatten", [x]);
  x = b.add("Gemm", [x, b.constant("head_weight", sixtyFourths(noise([5, classes], next, 2)))], {}, "logits");
  b.output(written.end ? written.end(b, x) : x);
  return asModel(b.build("network"));
}

/** Numbers that 16-bit floats hold too. */
const sixtyFourths = (value: Tensor): Tensor => ({
  ...value,
  data: Float32Array.from(value.data as Float32Array, (each) => Math.round(each * 64) / 64),
});

export const reshapedTo =
  (...target: number[]): NonNullable<Written["flatten"]> =>
  (b, x) =>
    b.add("Reshape", [x, b.constant("flat", int64(target))]);

export const imported = (model: Model | Uint8Array, options: Partial<ImportOptions> = {}): Promise<Imported> =>
  importModel({ bytes: model instanceof Uint8Array ? model : encodeModel(model), at: "some/net.onnx", ...options });

/** What ONNX Runtime makes of a model: of its first input, its first output. */
export async function answers(model: Model, features: Tensor): Promise<Tensor> {
  const session = await openSession(encodeModel(model));
  try {
    const found = await session.run({ [model.graph.inputs[0]!.name]: features });
    return found[model.graph.outputs[0]!.name]!;
  } finally {
    await session.close();
  }
}

/** The message of a model, for tests to change. */
export const protoOf = (model: Model): ModelProto => parseProto(encodeModel(model), "model");

export const encoded = (proto: ModelProto): Uint8Array => toBinary(ModelProtoSchema, proto);

/** Moves a tensor's bytes out of the message. @returns them */
export function movedOut(
  tensor: TensorProto,
  location: string,
  place: { offset?: string; length?: string } = {},
): Uint8Array {
  const bytes = tensor.rawData;
  tensor.rawData = new Uint8Array();
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.externalData = Object.entries({ location, ...place }).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  return bytes;
}
