import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { errorCode } from "../../../runtime/errors.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { type AttributeValue, asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import {
  AttributeProto_AttributeType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataLocation,
} from "../../../runtime/onnx/generated/onnx_pb.ts";
import type { Graph, Model } from "../../../runtime/onnx/graph.ts";
import { float32, int64, tensor } from "../../../runtime/onnx/tensor.ts";

/** A model whose nodes `link` adds one behind the other, `length` times, between input and output [N, 2, 1, 1]. */
function chain(length: number, link: (b: GraphBuilder, x: string) => string): Graph {
  const b = new GraphBuilder();
  let x = b.input("x", "float32", ["N", 2, 1, 1]);
  for (let at = 0; at < length; at++) x = link(b, x);
  b.output(x, { type: "float32", shape: ["N", 2, 1, 1] });
  return b.build("chain");
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return `${errorCode(error)} ${(error as Error).message}`;
  }
  return "accepted";
}

const backwards = (graph: Graph): Graph => ({ ...graph, nodes: graph.nodes.toReversed() });

function timed(act: () => unknown): number {
  const begin = performance.now();
  act();
  return performance.now() - begin;
}

describe("a network of 10,000 layers", () => {
  const quantizer = (b: GraphBuilder) => [b.constant("scale", float32([], [0.1])), b.constant("zero", int8(0))];
  const int8 = (...values: number[]) => tensor("int8", values.length > 1 ? [2, 2, 1, 1] : [], Int8Array.from(values));
  const links: Readonly<Record<string, [opset: number, link: (b: GraphBuilder, x: string) => string]>> = {
    "of activations": [21, (b, x) => b.add("Relu", [x])],
    "of identities": [21, (b, x) => b.add("Identity", [x])],
    "of convolutions": [21, (b, x) => b.add("Conv", [x, b.constant("w", float32([2, 2, 1, 1], [1, 0, 0, 1]))])],
    "of softmaxes whose shape an upgrade asks for": [11, (b, x) => b.add("Softmax", [x], { axis: 1 })],
    "of quantizers": [
      21,
      (b, x) => {
        const parameters = quantizer(b);
        return b.add("DequantizeLinear", [b.add("QuantizeLinear", [x, ...parameters]), ...parameters]);
      },
    ],
  };

  it.each(Object.entries(links))("%s is read and prepared in seconds, written in any order", (_, [opset, link]) => {
    const bytes = encodeModel({ ...asModel(backwards(chain(10_000, link))), opset });
    expect(timed(() => prepareBase(decodeModel(bytes, "deep")))).toBeLessThan(15_000);
  });

  it("of one node with 200,000 operands is read", () => {
    const b = new GraphBuilder();
    const x = b.input("x", "float32", ["N"]);
    const parts = Array.from({ length: 200_000 }, () => b.add("Relu", [x], {}, "part"));
    b.output(b.add("Sum", parts));
    const bytes = encodeModel(asModel(backwards(b.build("wide"))));
    expect(decodeModel(bytes, "wide").graph.nodes).toHaveLength(200_001);
  });
});

describe("an ONNX file is refused, with a code, when", () => {
  const x = { name: "x", type: "float32", shape: ["N", 2] } as const;
  const file = (changes: Partial<Graph>) => {
    const graph: Graph = {
      name: "g",
      inputs: [x],
      outputs: [{ name: "y" }],
      nodes: [node("Relu", ["x"], ["y"])],
      initializers: new Map(),
      ...changes,
    };
    return encodeModel(asModel(graph));
  };
  const node = (opType: string, inputs: string[], outputs: string[]) => ({
    name: "n",
    opType,
    domain: "",
    inputs,
    outputs,
    attributes: {},
  });

  it("its sizes are negative, even if they multiply to what is there", () => {
    expect(refusal(() => decodeModel(file({ inputs: [{ ...x, shape: ["N", -2] }] }), "m"))).toMatch(
      /MODEL_CORRUPT.*value x.*shape \[N,-2\]/,
    );
    const twice = { type: "float32", dims: [-1, -2], data: new Float32Array(2) } as const;
    expect(refusal(() => decodeModel(file({ initializers: new Map([["w", twice]]) }), "m"))).toMatch(
      /MODEL_CORRUPT.*tensor w.*shape \[-1,-2\]/,
    );
  });

  it("a constant claims more than its bytes", () => {
    const lying = { type: "float32", dims: [2 ** 30, 2 ** 20], data: new Float32Array(2) } as const;
    expect(refusal(() => decodeModel(file({ initializers: new Map([["w", lying]]) }), "m"))).toMatch(
      /MODEL_CORRUPT.*another size than its shape/,
    );
  });

  it.each<[string, Partial<Graph>, RegExp]>([
    ["a node reads what nothing computes", { nodes: [node("Add", ["x", "?"], ["y"])] }, /\?, which nothing computes/],
    ["the result is never computed", { outputs: [{ name: "z" }] }, /outputs; found z, which nothing computes/],
    ["a node has no outputs", { nodes: [node("Relu", ["x"], [""])] }, /no outputs/],
    ["a node writes an input", { nodes: [node("Relu", ["x"], ["x"])], outputs: [x] }, /writes an input/],
    [
      "it goes in a circle",
      { nodes: [node("Add", ["x", "z"], ["y"]), { ...node("Relu", ["y"], ["z"]), name: "back" }] },
      /a cycle/,
    ],
  ])("%s", (_, changes, message) => {
    const found = refusal(() => decodeModel(file(changes), "m"));
    expect(found).toMatch(/^MODEL_CORRUPT/);
    expect(found).toMatch(message);
  });

  it("graphs are nested without end", () => {
    let body: GraphProto = create(GraphProtoSchema, { name: "innermost" });
    for (let depth = 0; depth < 20; depth++) {
      const attribute = [{ name: "body", type: AttributeProto_AttributeType.GRAPH, g: body }];
      body = create(GraphProtoSchema, { node: [{ opType: "If", output: ["y"], attribute }] });
    }
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, { graph: body, opsetImport: [{ version: 21n }] }),
    );
    expect(refusal(() => decodeModel(bytes, "m"))).toMatch(/MODEL_CORRUPT.*graphs in graphs/);
  });

  it("its weights lie in another file, which only import knows to look for", () => {
    const graph = {
      initializer: [{ name: "w", dims: [4n], dataType: 1, dataLocation: TensorProto_DataLocation.EXTERNAL }],
    };
    const bytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph, opsetImport: [{ version: 21n }] }));
    expect(refusal(() => decodeModel(bytes, "m"))).toMatch(/MODEL_CORRUPT.*external data.*lichen import/);
  });

  it("it is cut anywhere", () => {
    const whole = file({});
    for (let length = 0; length < whole.length; length++) {
      expect(refusal(() => decodeModel(whole.slice(0, length), "m"))).toMatch(
        /^(MODEL_CORRUPT|BAD_ATTRIBUTE|accepted)/,
      );
    }
  });
});

describe("constants that unfold to more than any memory holds", () => {
  /** y = x + what `bomb` makes, summed up so that it fits. */
  const model = (bomb: (b: GraphBuilder) => string): Model => {
    const b = new GraphBuilder();
    const input = b.input("x", "float32", ["N", 2]);
    b.output(b.add("Add", [input, b.add("ReduceSum", [bomb(b)], { keepdims: 0 })]), {
      type: "float32",
      shape: ["N", 2],
    });
    return asModel(b.build("bomb"));
  };
  const size = (b: GraphBuilder, ...dims: number[]) => b.constant("dims", int64(dims));
  const one = (b: GraphBuilder) => b.constant("one", float32([1], [1]));

  it.each<[string, (b: GraphBuilder) => string, RegExp]>([
    [
      "by ConstantOfShape",
      (b) => b.add("ConstantOfShape", [size(b, 1 << 15, 1 << 15)]),
      /MODEL_CORRUPT.*ConstantOfShape/,
    ],
    ["by Expand", (b) => b.add("Expand", [one(b), size(b, 1 << 15, 1 << 15)]), /MODEL_CORRUPT.*Expand/],
    ["by Tile", (b) => b.add("Tile", [one(b), size(b, 2 ** 30)]), /MODEL_CORRUPT.*Tile/],
    ["by sizes beyond all numbers", (b) => b.add("Expand", [one(b), size(b, 2 ** 40, 2 ** 40)]), /NO_SHAPE.*Expand/],
    ["by negative sizes", (b) => b.add("ConstantOfShape", [size(b, -2, -2)]), /NO_SHAPE|MODEL_CORRUPT/],
    [
      "by a thousand of them",
      (b) =>
        b.add(
          "Concat",
          Array.from({ length: 1000 }, () => b.add("Expand", [one(b), size(b, 1 << 20)])),
          { axis: 0 },
        ),
      /MODEL_CORRUPT/,
    ],
  ])("are refused before anything runs: %s", (_, bomb, message) => {
    expect(refusal(() => prepareBase(model(bomb)))).toMatch(message);
  });
});

describe("a Constant of a wrong kind", () => {
  const constant = (attributes: Record<string, AttributeValue>): Model => {
    const b = new GraphBuilder();
    b.output(b.add("Add", [b.input("x", "float32", ["N", 2]), b.add("Constant", [], attributes)]));
    return asModel(b.build("g"));
  };

  // A name that every JavaScript object knows was called as a rule, and a number taken for a tensor.
  it.each<Record<string, AttributeValue>>([{ constructor: 1 }, { value: 5 }, { value_floats: 1 }])(
    "%j is left for whoever needs it to refuse",
    (attributes) => {
      expect(normalizeModel(constant(attributes)).graph.nodes.map(({ opType }) => opType)).toContain("Constant");
      expect(refusal(() => prepareBase(constant(attributes)))).toMatch(/^[A-Z_]+ /);
      expect(refusal(() => prepareBase(constant(attributes)))).not.toMatch(/^INTERNAL/);
    },
  );
});
