import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LichenError } from "../../../runtime/errors.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Node } from "../../../runtime/onnx/graph.ts";
import { ELEMENTS, type ElementType, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { topological } from "../../../runtime/onnx/topological.ts";
import { toyModel } from "../toy.ts";

const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.constantFrom(...(Object.keys(ELEMENTS) as ElementType[])),
    fc.array(fc.nat(4), { maxLength: 4 }),
    fc.nat(255),
  )
  .map(([type, dims, seed]) => {
    const data = new ELEMENTS[type](dims.reduce((product, dim) => product * dim, 1));
    new Uint8Array(data.buffer).forEach((_, at, bytes) => {
      bytes[at] = type.startsWith("float") ? 0 : (seed + at * 7) & (type === "bool" ? 1 : 0xff);
    });
    return tensor(type, dims, data);
  });

describe("ONNX files", () => {
  it("read back as they were written", () => {
    const model = toyModel();
    expect(decodeModel(encodeModel(model), "toy")).toEqual({
      ...model,
      graph: { ...model.graph, inputs: model.graph.inputs },
    });
  });

  it("write the same bytes for the same model", () => {
    expect(encodeModel(toyModel())).toEqual(encodeModel(toyModel()));
  });

  it("keep tensors of every type and shape, attributes of every kind, and subgraphs", () => {
    fc.assert(
      fc.property(
        anyTensor,
        fc.array(fc.integer()),
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.string(),
        (value, ints, real, text) => {
          const inner = new GraphBuilder();
          inner.output(inner.constant("inner", value));
          const b = new GraphBuilder();
          b.output(
            b.add("Anything", [b.constant("value", value)], {
              value,
              ints,
              text,
              real: { float: real },
              body: inner.build("body"),
            }),
          );
          const model = asModel(b.build("g"), { key: text });
          expect(decodeModel(encodeModel(model), "test")).toEqual(model);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuse damaged bytes with a code and never crash", () => {
    const whole = encodeModel(toyModel());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
        fc.nat(whole.length),
        (flips, length) => {
          const bytes = whole.slice(0, length);
          for (const [at, value] of flips) if (at < length) bytes[at] = value;
          try {
            decodeModel(bytes, "damaged");
          } catch (error) {
            expect(error).toBeInstanceOf(LichenError);
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(() => decodeModel(new Uint8Array(0), "empty")).toThrow(/MODEL_CORRUPT/);
    expect(() => decodeModel(new TextEncoder().encode("RIFF....WAVE"), "a sound")).toThrow(LichenError);
  });
});

describe("topological order", () => {
  const chain: Node[] = Array.from({ length: 20_000 }, (_, at) => ({
    name: `n${at}`,
    opType: "Identity",
    domain: "",
    inputs: [`v${at}`],
    outputs: [`v${at + 1}`],
    attributes: {},
  }));

  it("restores a shuffled chain, however deep", () => {
    expect(topological(chain.toReversed(), "test")).toEqual(chain);
  });

  it("leaves a sorted graph as it is", () => {
    const { nodes } = toyModel().graph;
    expect(topological(nodes, "test")).toEqual(nodes);
  });

  it("refuses a cycle, and two writers of one value", () => {
    const [a, b] = chain as [Node, Node];
    expect(() => topological([a, b, { ...a, name: "back", inputs: ["v2"], outputs: ["v0"] }], "test")).toThrow(
      /MODEL_CORRUPT.*cycle/,
    );
    expect(() => topological([a, { ...a, name: "again" }], "test")).toThrow(/MODEL_CORRUPT.*two nodes/);
  });
});
