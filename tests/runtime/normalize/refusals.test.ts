import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { ModelProtoSchema } from "../../../runtime/onnx/generated/onnx_pb.ts";
import type { Model, Node } from "../../../runtime/onnx/graph.ts";
import { float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { type Single, single } from "./single.ts";

const image = ["N", 4, 6, 8];
const refusal = (description: Single) => () => normalizeModel(single(description));

describe("what has no standard form is refused", () => {
  it("all at once, each with operator and node, and with what to do", () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", ["N", 2]);
    const node = (name: string, opType: string, domain: string, input: string): Node => ({
      name,
      opType,
      domain,
      inputs: [input],
      outputs: [`${name}_out`],
      attributes: {},
    });
    b.adopt(node("first", "Attention", "com.microsoft", x));
    b.adopt(node("second", "Frobnicate", "com.example", "first_out"));
    b.adopt(node("third", "GroupNormalization", "", "second_out"));
    b.output("third_out");
    const model: Model = { graph: b.build("g"), opset: 17, domains: { "com.example": 1 }, irVersion: 8, metadata: {} };
    expect(() => normalizeModel(model)).toThrow(
      /UNSUPPORTED_OPERATOR.*com\.microsoft\.Attention first, com\.example\.Frobnicate second, GroupNormalization third.*To do: .*standard operators.*opset 17/,
    );
  });

  it.each([6, 25])("opset %i", (opset) => {
    expect(refusal({ opset, opType: "Relu", operands: [image] })).toThrow(
      new RegExp(`UNSUPPORTED_OPERATOR.*opset ${opset}.*opset 7 to 24`),
    );
  });

  it("numbers of four bits, by name", () => {
    const initializer = [{ name: "w", dims: [2n], dataType: 22, int32Data: [0x12] }];
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, { irVersion: 10n, opsetImport: [{ version: 21n }], graph: { name: "g", initializer } }),
    );
    expect(() => decodeModel(bytes, "model.onnx")).toThrow(/UNSUPPORTED_OPERATOR.*tensor w.*INT4.*int8/);
  });

  const cases: Readonly<Record<string, [Single, RegExp]>> = {
    "scales per block": [
      {
        opType: "DequantizeLinear",
        operands: [tensor("int8", [4, 4], new Int8Array(16)), float32([2, 4], new Float32Array(8))],
        attributes: { axis: 0, block_size: 2 },
      },
      /DequantizeLinear node \(scales per block\).*one scale per tensor or per channel/,
    ],
    "scales per block in com.microsoft's form": [
      {
        opset: 17,
        domain: "com.microsoft",
        opType: "DequantizeLinear",
        operands: [tensor("int8", [4, 4], new Int8Array(16)), float32([2, 4], new Float32Array(8))],
        attributes: { axis: 0, block_size: 2 },
      },
      /com\.microsoft\.DequantizeLinear node \(scales per block\)/,
    ],
    "real numbers in 16 bits": [
      { opset: 23, opType: "QuantizeLinear", operands: [image, float32([], [1])], attributes: { precision: 10 } },
      /precision other than float32/,
    ],
    "a Dropout in training mode": [
      {
        opset: 13,
        opType: "Dropout",
        operands: [image, float32([], [0.5]), tensor("bool", [], Uint8Array.of(1))],
      },
      /Dropout node \(training mode\).*inference mode/,
    ],
    "a Dropout whose mask is read": [
      { opset: 11, opType: "Dropout", operands: [image], outputs: 2, results: 2 },
      /outputs that only training has/,
    ],
    "a BatchNormalization in training mode": [
      {
        opset: 15,
        opType: "BatchNormalization",
        operands: [image, ...Array.from({ length: 4 }, () => float32([4], [1, 1, 1, 1]))],
        attributes: { training_mode: 1 },
      },
      /training mode/,
    ],
    "statistics per pixel": [
      {
        opset: 7,
        opType: "BatchNormalization",
        operands: [image, ...Array.from({ length: 4 }, () => float32([4], [1, 1, 1, 1]))],
        attributes: { spatial: 0 },
      },
      /statistics per pixel/,
    ],
    "quantization as the model runs": [
      { opset: 11, opType: "DynamicQuantizeLinear", operands: [image], outputs: 3 },
      /DynamicQuantizeLinear node.*quantize the model statically/,
    ],
    "a Resize-10 that grows and shrinks": [
      { opset: 10, opType: "Resize", operands: [image, float32([4], [1, 1, 2, 0.5])] },
      /grow one axis and shrink another/,
    ],
    "coordinates that only opset 11 had": [
      {
        opset: 11,
        opType: "Resize",
        operands: [image, float32([0], []), float32([4], [1, 1, 2, 2])],
        attributes: { coordinate_transformation_mode: "tf_half_pixel_for_nn" },
      },
      /tf_half_pixel_for_nn/,
    ],
    "channels in the last axis": [
      {
        opset: 17,
        domain: "com.microsoft",
        opType: "QLinearGlobalAveragePool",
        operands: [["N", 6, 8, 4], float32([], [1]), float32([], [0]), float32([], [1]), float32([], [0])],
        attributes: { channels_last: 1 },
      },
      /channels in the last axis/,
    ],
    "an activation that is not known": [
      {
        opset: 17,
        domain: "com.microsoft",
        opType: "FusedConv",
        operands: [image, float32([1, 4, 1, 1], [1, 2, 3, 4])],
        attributes: { activation: "Wobble" },
      },
      /activation Wobble/,
    ],
  };
  for (const [name, [description, message]] of Object.entries(cases)) {
    it(name, () => {
      expect(refusal(description)).toThrow("UNSUPPORTED_OPERATOR");
      expect(refusal(description)).toThrow(message);
    });
  }
});
