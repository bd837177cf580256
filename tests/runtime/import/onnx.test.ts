import { readFile } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { widenHalfFloats } from "../../../runtime/import/half-floats.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { TensorProtoSchema } from "../../../runtime/onnx/generated/onnx_pb.ts";
import { concatRows, float32, int64, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";
import { answers, encoded, imported, movedOut, network, PICTURE, protoOf, reshapedTo, type Written } from "./graphs.ts";

const { channels, height, width } = PICTURE;
const picture = (seed = 5, count = 1) => noise([count, channels, height, width], random(seed));

/** The same pictures with their channels last. */
function channelsLast({ dims, data }: Tensor): Tensor {
  const [n, c, h, w] = dims as [number, number, number, number];
  const from = (at: number) => {
    const [channel, rest] = [at % c, Math.floor(at / c)];
    const [place, sample] = [rest % (h * w), Math.floor(rest / (h * w))];
    return Number(data[(sample * c + channel) * h * w + place]);
  };
  return float32(
    [n, h, w, c],
    Array.from({ length: data.length }, (_, at) => from(at)),
  );
}

const withDeadNodes: Written["end"] = (b, x) => {
  b.add("Sigmoid", [b.add("Exp", [x])]);
  return b.add("Identity", [x]);
};

const withScoresAndBest: Written["end"] = (b, x) => {
  b.add("Sigmoid", [x], {}, "scores");
  return b.add("ArgMax", [x], { axis: 1, keepdims: 0 }, "best");
};

describe("an ONNX model of any form answers as its file does", () => {
  it.each<[string, Written]>([
    ["an open batch", {}],
    ["an open batch of another name", { batch: "batch_size" }],
    ["a fixed batch", { batch: 1 }],
    ["a batch of one in the target of a Reshape", { batch: 1, flatten: reshapedTo(1, 5) }],
    ["a batch of one beside an open size", { batch: 1, flatten: reshapedTo(1, -1) }],
    [
      "features laid flat over a batch of one",
      { batch: 1, flatten: (b, x) => b.add("Squeeze", [reshapedTo(1, 1, 5)(b, x), b.constant("one", int64([1]))]) },
    ],
    [
      "a constant that is joined to a batch of one",
      {
        batch: 1,
        flatten: (b, x) => {
          const token = b.constant("token", float32([1, 2], [0.5, -0.25]));
          const joined = b.add("Concat", [token, b.add("Flatten", [x])], { axis: 1 });
          return b.add("Slice", [
            joined,
            b.constant("from", int64([1])),
            b.constant("to", int64([6])),
            b.constant("axis", int64([1])),
          ]);
        },
      },
    ],
    [
      "sizes of a Resize with a batch of one in them",
      {
        batch: 1,
        flatten: (b, x) => {
          const sizes = b.constant("sizes", int64([1, 5, 2, 2]));
          return b.add("Flatten", [
            b.add("GlobalAveragePool", [b.add("Resize", [x, "", "", sizes], { mode: "nearest" })]),
          ]);
        },
      },
    ],
    ["dead nodes", { end: withDeadNodes }],
  ])("%s", async (_, written) => {
    const original = network(written);
    const { model } = await imported(original);
    expect(model.graph.inputs).toEqual([{ name: "picture", type: "float32", shape: ["N", channels, height, width] }]);
    expect(model.graph.outputs).toMatchObject([{ type: "float32", shape: ["N", PICTURE.classes] }]);
    const [one, two] = [picture(5), picture(6)];
    const expected = [await answers(original, one), await answers(original, two)];
    expect(await answers(model, one)).toEqual(expected[0]);
    expect((await answers(model, concatRows([one, two]))).data).toEqual(concatRows(expected).data);
  });

  it("a fixed batch of four", async () => {
    const original = network({ batch: 4, flatten: reshapedTo(4, 5) });
    const four = picture(7, 4);
    expect((await answers((await imported(original)).model, four)).data).toEqual((await answers(original, four)).data);
  });

  it("channels that come last, without a Transpose left", async () => {
    const original = network({ channelsLast: true, batch: 1 });
    const { model, notes } = await imported(original);
    expect(model.graph.inputs[0]?.shape).toEqual(["N", channels, height, width]);
    expect(model.graph.nodes.map(({ opType }) => opType)).not.toContain("Transpose");
    expect(notes.join()).toContain("channels came last, as [1, 8, 6, 3]");
    expect(await answers(model, picture())).toEqual(await answers(original, channelsLast(picture())));
  });

  it("pixels as integers", async () => {
    const original = network({ channelsLast: true, inputType: "uint8" });
    const { model, card } = await imported(original);
    const pixels = Array.from({ length: channels * height * width }, (_, at) => (at * 37) % 256);
    const real = float32([1, channels, height, width], pixels);
    const integers = {
      ...channelsLast(real),
      type: "uint8",
      data: Uint8Array.from(channelsLast(real).data as Float32Array),
    } as Tensor;
    expect(await answers(model, real)).toEqual(await answers(original, integers));
    expect(card.preprocessing).toEqual({ kind: "image", width, height, channels, mean: [0, 0, 0], std: [1, 1, 1] });
  });

  it("quantized codes in and out, which become real numbers", async () => {
    const b = new GraphBuilder();
    const [scale, zero] = [
      b.constant("scale", float32([], [1 / 127.5])),
      b.constant("zero", tensor("int8", [], Int8Array.of(0))),
    ];
    const x = b.add("DequantizeLinear", [b.input("codes", "int8", [1, channels, height, width]), scale, zero]);
    const flat = b.add("Flatten", [b.add("GlobalAveragePool", [x])]);
    b.output(b.add("QuantizeLinear", [flat, scale, zero]), { type: "int8", shape: [1, 3] });
    const original = asModel(b.build("codes"));
    const { model, card, notes } = await imported(original);
    const codes = Int8Array.from({ length: channels * height * width }, (_, at) => ((at * 29) % 255) - 127);
    const expected = await answers(original, tensor("int8", [1, channels, height, width], codes));
    const real = float32(
      [1, channels, height, width],
      Array.from(codes, (code) => code / 127.5),
    );
    const found = await answers(model, real);
    expect(Array.from(found.data as Float32Array, (value) => Math.round(value * 127.5))).toEqual(
      Array.from(expected.data as Int8Array),
    );
    expect(card.preprocessing).toMatchObject({ mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5] });
    expect(notes.join()).toMatch(/-1 to 0.996 in 8 bits.*from −1 to 1/);
  });

  it("sizes that the file leaves open, as they are given", async () => {
    const original = network({ height: "height" });
    await expect(imported(original)).rejects.toThrow(/^NO_SHAPE: .*height.*--size/);
    await expect(imported(original, { size: [6, 8] })).rejects.toThrow(/^BAD_ARGUMENT: .*--size.*6x8.*1 size/);
    const { model } = await imported(original, { size: [8] });
    expect(model.graph.inputs[0]?.shape).toEqual(["N", channels, height, width]);
    await expect(imported(network(), { size: [7, 9] })).rejects.toThrow(/^BAD_ARGUMENT: .*no sizes/);
    expect((await imported(network(), { size: [width, height] })).card.preprocessing).toMatchObject({ width, height });
  });
});

describe("QDQ and QOperator models of other tools", () => {
  it.each([
    "cnn-9",
    "cnn-17",
    "cnn-optimized",
    "cnn-qdq-s8s8",
    "cnn-qoperator-u8s8",
    "cnn-qoperator-u8u8",
    "cnn-torch-int8",
  ])("%s", async (name) => {
    const bytes = await readFile(new URL(`../normalize/fixtures/${name}.onnx`, import.meta.url));
    const original = decodeModel(bytes, name);
    const { model } = await imported(bytes, { mean: [0], std: [1] });
    const features = noise([1, ...(original.graph.inputs[0]!.shape.slice(1) as number[])], random(2), 2);
    expect(await answers(model, features)).toEqual(await answers(original, features));
    expect(encodeModel((await imported(model, { mean: [0], std: [1] })).model)).toEqual(encodeModel(model));
  });

  it("for arm64 the codes are int8, and the numbers the same", async () => {
    const bytes = await readFile(new URL("../normalize/fixtures/cnn-qdq-u8u8.onnx", import.meta.url));
    const options = { mean: [0], std: [1] };
    const [x64, arm64] = [await imported(bytes, options), await imported(bytes, { ...options, target: "arm64" })];
    const codes = ({ model }: typeof x64) => {
      const quantizers = model.graph.nodes.filter(({ opType }) => opType === "QuantizeLinear");
      return new Set(quantizers.map(({ inputs }) => model.graph.initializers.get(inputs[2]!)!.type));
    };
    expect([codes(x64), codes(arm64)]).toEqual([new Set(["uint8"]), new Set(["int8"])]);
    expect(prepareBase(arm64.model).layers.length).toBe(prepareBase(x64.model).layers.length);
    const features = noise([1, ...(x64.model.graph.inputs[0]!.shape.slice(1) as number[])], random(2), 2);
    expect(await answers(arm64.model, features)).toEqual(await answers(x64.model, features));
  });
});

describe("16-bit floats", () => {
  // ONNX Runtime as the oracle for all there are.
  it("become the 32-bit floats that they equal, all 65,536 of them", async () => {
    const b = new GraphBuilder();
    const halves = b.constant("halves", float32([65_536], new Float32Array(65_536)));
    b.output(b.add("Cast", [halves], { to: 1 }), { type: "float32", shape: [65_536] });
    const proto = protoOf(asModel(b.build("halves")));
    const rawData = new Uint8Array(Uint16Array.from({ length: 65_536 }, (_, at) => at).buffer);
    proto.graph!.initializer = [create(TensorProtoSchema, { name: "halves", dims: [65_536n], dataType: 10, rawData })];
    const session = await openSession(encoded(proto));
    const [expected] = Object.values(await session.run({}));
    await session.close();
    expect(widenHalfFloats(proto)).toBe(true);
    const found = decodeModel(encoded(proto), "halves").graph.initializers.get("halves")!;
    const bits = ({ data }: Tensor) =>
      Array.from(data as Float32Array, (value) => (Number.isNaN(value) ? "NaN" : Object.is(value, -0) ? "-0" : value));
    expect(bits(found)).toEqual(bits(expected!));
  });

  it("a whole network of them answers as the float32 one, whose weights they hold", async () => {
    const original = network();
    const proto = protoOf(original);
    for (const each of proto.graph!.initializer) {
      const values = new Float32Array(new Uint8Array(each.rawData).buffer);
      each.int32Data = Array.from(values, half);
      each.rawData = new Uint8Array();
      each.dataType = 10;
    }
    for (const { type } of proto.graph!.input) if (type?.value.case === "tensorType") type.value.value.elemType = 10;
    const { model, notes } = await imported(encoded(proto));
    expect(notes.join()).toContain("16-bit");
    expect(await answers(model, picture())).toEqual(await answers(original, picture()));
  });

  /** Of numbers that are normal in 16 bits, or 0. */
  function half(value: number): number {
    if (value === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(value)));
    return (
      (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024)
    );
  }
});

describe("weights in other files", () => {
  const original = network();
  const split = (place: { offset?: string; length?: string } = {}, location = "weights/all.bin") => {
    const proto = protoOf(original);
    const [stem, head] = proto.graph!.initializer as [never, never];
    const bytes = [movedOut(stem, "stem.bin"), movedOut(head, location, place)] as const;
    return { bytes: encoded(proto), files: { "stem.bin": bytes[0], head: bytes[1] } };
  };
  const HEAD = 5 * PICTURE.classes * 4;

  it("come in, each file read once, from where they lie in it", async () => {
    const { bytes, files } = split({ offset: "64", length: String(HEAD) });
    const all = new Uint8Array(64 + HEAD + 32);
    all.set(files.head, 64);
    const read: string[] = [];
    const external = async (location: string) => {
      read.push(location);
      return location === "stem.bin" ? files["stem.bin"] : all;
    };
    const { model, notes } = await imported(bytes, { external });
    expect(read).toEqual(["stem.bin", "weights/all.bin"]);
    expect(notes.join()).toContain("stem.bin, weights/all.bin");
    expect(await answers(model, picture())).toEqual(await answers(original, picture()));
  });

  it.each<[string, { offset?: string; length?: string }, string]>([
    ["bytes beyond the file's end", { offset: "8", length: String(HEAD) }, "EXTERNAL_DATA: .*has 80"],
    ["an offset beyond it", { offset: "4000000000" }, "EXTERNAL_DATA: .*4000000000"],
    ["fewer bytes than the shape says", { length: "8" }, "MODEL_CORRUPT"],
    ["an offset that is none", { offset: "-1" }, "EXTERNAL_DATA: .*offset «-1»"],
    ["a length that is none", { length: "1e9" }, "EXTERNAL_DATA: .*length «1e9»"],
  ])("are refused for %s", async (_, place, message) => {
    const { bytes, files } = split(place);
    const external = async (location: string) => (location === "stem.bin" ? files["stem.bin"] : files.head);
    await expect(imported(bytes, { external })).rejects.toThrow(new RegExp(`^${message}`));
  });

  it.each(["../secret", "/etc/passwd", "a/../../b", "C:\\weights", "\\\\host\\share", "a\0b", "", "a//b"])(
    "are never looked for at «%s»",
    async (location) => {
      const { bytes, files } = split({}, location);
      const read: string[] = [];
      const external = async (place: string) => {
        read.push(place);
        return files["stem.bin"];
      };
      await expect(imported(bytes, { external })).rejects.toThrow(/^EXTERNAL_DATA: .*the model's own folder/);
      expect(read).toEqual(["stem.bin"]);
    },
  );

  it("cannot come in from bytes alone", async () => {
    await expect(imported(split().bytes)).rejects.toThrow(/^EXTERNAL_DATA: .*stem\.bin/);
  });
});

describe("outputs and inputs", () => {
  const several = () => {
    const { graph, ...rest } = network({ end: withScoresAndBest });
    return {
      ...rest,
      graph: { ...graph, outputs: [{ name: "best", type: "int64" as const }, { name: "logits" }, { name: "scores" }] },
    };
  };

  it("the first output of real numbers is used, and said, unless another value is named", async () => {
    const first = await imported(several());
    expect(first.model.graph.outputs[0]?.name).toBe("logits");
    expect(first.notes.join()).toMatch(/of 3 outputs, logits is used.*best, scores/);
    expect((await imported(several(), { output: "scores" })).model.graph.outputs[0]?.name).toBe("scores");
    await expect(imported(several(), { output: "nothing" })).rejects.toThrow(
      /^BAD_ARGUMENT: .*--output.*nothing.*best, logits, scores/,
    );
  });

  it("class numbers are no answer to train on: what comes before them is proposed", async () => {
    await expect(imported(several(), { output: "best" })).rejects.toThrow(
      /^NO_SHAPE: .*int64.*ArgMax.*--output.*logits/,
    );
  });

  it("several inputs are refused by name, and one that nothing reads is dropped", async () => {
    const { graph, ...rest } = network();
    const unread = { name: "unread", type: "float32" as const, shape: ["N", 2] };
    const { model } = await imported({ ...rest, graph: { ...graph, inputs: [...graph.inputs, unread] } });
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(["picture"]);
    const b = new GraphBuilder();
    b.output(b.add("Add", [b.input("left", "float32", ["N", 3]), b.input("right", "float32", ["N", 3])]));
    await expect(imported(asModel(b.build("two")))).rejects.toThrow(/^UNSUPPORTED_OPERATOR: .*2 inputs: left.*right/);
  });
});

describe("what cannot be imported", () => {
  it("says all operators that are missing at once, of whichever kind", async () => {
    const model = network({ end: (b, x) => b.add("Bernoulli", [b.add("Det", [x])]) });
    await expect(imported(model)).rejects.toThrow(/^UNSUPPORTED_OPERATOR: .*Det Det, Bernoulli Bernoulli/);
    const foreign = {
      ...model,
      graph: {
        ...model.graph,
        nodes: model.graph.nodes.map((node) => (node.opType === "Relu" ? { ...node, domain: "my.own" } : node)),
      },
    };
    await expect(imported(foreign)).rejects.toThrow(/^UNSUPPORTED_OPERATOR: .*my\.own\.Relu.*Det.*Bernoulli/);
  });

  it("a network in which samples of a batch see each other", async () => {
    const model = network({
      end: (b, x) => b.add("Sub", [x, b.add("ReduceMean", [x, b.constant("rows", int64([0]))], { keepdims: 1 })]),
    });
    await expect(imported(model)).rejects.toThrow(/^BATCH_MATTERS: .*two samples at once/);
  });

  it("a batch that nobody can open", async () => {
    const model = network({ batch: 1, end: (b, x) => b.add("Reshape", [x, b.constant("row", int64([4]))]) });
    await expect(imported(model)).rejects.toThrow(/^(BATCH_MATTERS|NO_SHAPE)/);
  });

  it("answers that are no numbers", async () => {
    const model = network({ end: (b, x) => b.add("Log", [b.add("Neg", [b.add("Exp", [x])])]) });
    await expect(imported(model)).rejects.toThrow(/^MODEL_CORRUPT: .*NaN/);
  });
});
