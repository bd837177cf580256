import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { strToU8, zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { errorCode } from "../../../runtime/errors.ts";
import { decodeTflite } from "../../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../../runtime/tflite/lower.ts";
import { ADD, buildMetadata, buildTflite, CONV_2D, FLOAT32, INT8, INT32, type TfliteParts } from "./build.ts";

/** y = x + constant, of four numbers. */
const SUM: TfliteParts = {
  description: "a sum",
  tensors: [
    { shape: [1, 4], name: "x" },
    { shape: [4], buffer: 1, name: "constant" },
    { shape: [1, 4], name: "y" },
  ],
  buffers: [new Uint8Array(), new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer)],
  operators: [{ inputs: [0, 1], outputs: [2], options: { kind: ADD.kind, int8: { 0: 1 } } }],
};

/** The same bytes as a convolution's operands. */
const PICTURES = SUM.tensors.map((tensor) => ({ ...tensor, shape: [1, 2, 2, 1] }));

const decode = (bytes: Uint8Array) => decodeTflite(bytes, "model.tflite");
const decoded = (changes: Partial<TfliteParts>) => decode(buildTflite({ ...SUM, ...changes }));

function refusal(build: () => Uint8Array): string {
  try {
    decode(build());
  } catch (error) {
    return `${errorCode(error)} ${(error as Error).message}`;
  }
  return "decoded";
}

const withTensor = (index: number, change: Partial<TfliteParts["tensors"][number]>): Partial<TfliteParts> => ({
  tensors: SUM.tensors.map((tensor, at) => (at === index ? { ...tensor, ...change } : tensor)),
});

describe("a TFLite file", () => {
  it("is read with names, shapes, constants and options", () => {
    const model = decoded({});
    expect(model.description).toBe("a sum");
    expect(model.tensors.map(({ name, type, shape }) => [name, type, shape])).toEqual([
      ["x", "float32", [1, 4]],
      ["constant", "float32", [4]],
      ["y", "float32", [1, 4]],
    ]);
    expect(model.tensors.map(({ data }) => data?.byteLength ?? null)).toEqual([null, 16, null]);
    expect(model.operators).toEqual([
      { name: "ADD", inputs: [0, 1], outputs: [2], options: { fused_activation_function: 1 } },
    ]);
    expect(model.inputs).toEqual([0]);
    expect(model.outputs).toEqual([2]);
    expect(model.metadata).toEqual({});
  });

  it("has the schema's defaults where it is silent", () => {
    const model = decoded({ operators: [{ inputs: [0, 1], outputs: [2] }] });
    expect(model.operators[0]!.options).toEqual({ fused_activation_function: 0 });
    const conv = decoded({
      tensors: PICTURES,
      codes: [{ deprecated: CONV_2D.code }],
      operators: [{ inputs: [0, 1, -1], outputs: [2], options: { kind: CONV_2D.kind, int32: { 1: 2, 2: 3 } } }],
    });
    expect(conv.operators[0]).toEqual({
      name: "CONV_2D",
      inputs: [0, 1, -1],
      outputs: [2],
      options: {
        padding: 0,
        stride_w: 2,
        stride_h: 3,
        fused_activation_function: 0,
        dilation_w_factor: 1,
        dilation_h_factor: 1,
      },
    });
  });

  it.each([
    [{ deprecated: 3 }, "CONV_2D"],
    [{ deprecated: 127, builtin: 150 }, "GELU"],
    [{ deprecated: 0, builtin: 9 }, "FULLY_CONNECTED"],
    [{ deprecated: 127, builtin: 4711 }, "builtin:4711"],
    [{ deprecated: 32, custom: "TFLite_Detection_PostProcess" }, "custom:TFLite_Detection_PostProcess"],
  ])("names the operator of %j %s", (code, name) => {
    const options = { kind: CONV_2D.kind, int32: { 1: 1, 2: 1 } };
    const operator = { inputs: [0, 1], outputs: [2], ...(name === "CONV_2D" && { options }) };
    const tensors = name === "CONV_2D" ? PICTURES : withTensor(1, { shape: [4, 1] }).tensors!;
    expect(decoded({ tensors, codes: [code], operators: [operator] }).operators[0]!.name).toBe(name);
  });

  it("is quantized by one scale, or by one a slice", () => {
    const whole = { type: INT8, scale: [0.5], zeroPoint: [-3], axis: 1 };
    expect(decoded(withTensor(0, whole)).tensors[0]!.quantization).toEqual({
      scales: [0.5],
      zeroPoints: [-3],
      axis: 0,
    });
    const sliced = { type: INT8, scale: [1, 2, 3, 4], zeroPoint: [0, 0, 0, 0], axis: 1 };
    expect(decoded(withTensor(0, sliced)).tensors[0]!.quantization).toMatchObject({ scales: [1, 2, 3, 4], axis: 1 });
    expect(decoded(withTensor(0, { type: FLOAT32, scale: [0] })).tensors[0]!.quantization).toBeNull();
  });

  it("may keep constants behind the FlatBuffer, as files beyond 2 GB do", () => {
    const size = (offset: number) => buildTflite({ ...SUM, buffers: [new Uint8Array(), { offset, size: 16 }] });
    const offset = size(2).byteLength;
    const values = new Uint8Array(new Float32Array([5, 6, 7, 8]).buffer);
    const model = decode(Buffer.concat([size(offset), values]));
    expect([...model.tensors[1]!.data!]).toEqual([...values]);
  });

  it("may hold an empty list without any bytes, and more subgraphs than the main one", () => {
    const model = decoded({ ...withTensor(1, { shape: [0], type: INT32, buffer: 0 }), subgraphs: 2 });
    expect(model.tensors[1]!.data).toEqual(new Uint8Array());
  });

  it("says how its input is normalized and what its classes are called", () => {
    const metadata = buildMetadata({ mean: [127.5], std: [127.5], labels: "labels.txt" });
    const file = buildTflite({
      ...SUM,
      buffers: [...SUM.buffers!, metadata],
      metadata: [{ name: "TFLITE_METADATA", buffer: 2 }],
    });
    const normalization = { mean: [127.5], std: [127.5] };
    expect(decode(file).metadata).toEqual({ normalization });
    const packed = zipAt(file.byteLength, { "labels.txt": strToU8("cat\r\ndog\r\n") });
    expect(decode(Buffer.concat([file, packed])).metadata).toEqual({ normalization, labels: ["cat", "dog"] });
  });

  const labelled = (pack: (offset: number) => Uint8Array, labels = "labels.txt") => {
    const metadata = buildMetadata({ mean: [0], std: [1], labels });
    const file = buildTflite({
      ...SUM,
      buffers: [...SUM.buffers!, metadata],
      metadata: [{ name: "TFLITE_METADATA", buffer: 2 }],
    });
    return Buffer.concat([file, pack(file.byteLength)]);
  };

  it("may have lost its labels, or never had what a name like any other in JavaScript would find", () => {
    expect(decode(labelled((offset) => zipAt(offset, { "other.txt": strToU8("a") }))).metadata.labels).toBeUndefined();
    expect(decode(labelled(() => new Uint8Array(), "constructor")).metadata.labels).toBeUndefined();
    expect(decode(labelled((at) => zipAt(at, { a: strToU8("a") }), "constructor")).metadata.labels).toBeUndefined();
  });

  it("unpacks no bomb: neither a large file, nor an archive of very many, nor one that is cut", () => {
    const large = (offset: number) => zipAt(offset, { "labels.txt": new Uint8Array(2 ** 21) });
    expect(refusal(() => labelled(large))).toMatch(/MODEL_CORRUPT.*labels.txt.*that become 2097152/);
    const many = (offset: number) =>
      zipAt(offset, Object.fromEntries(Array.from({ length: 1500 }, (_, at) => [`${at}`, new Uint8Array()])));
    expect(refusal(() => labelled(many))).toMatch(/MODEL_CORRUPT.*more than 1000 files/);
    const cut = (offset: number) => {
      const archive = zipAt(offset, { "labels.txt": strToU8(Array(500).fill("label").join()) });
      return archive.fill(0xff, 60, 70);
    };
    expect(refusal(() => labelled(cut))).toMatch(/MODEL_CORRUPT.*cannot be unpacked/);
  });
});

/** An archive that knows it stands behind so many bytes. */
function zipAt(offset: number, files: Record<string, Uint8Array>): Buffer {
  const archive = Buffer.from(zipSync(files));
  const end = archive.length - 22;
  const directory = archive.readUInt32LE(end + 16);
  archive.writeUInt32LE(directory + offset, end + 16);
  for (let at = directory; at < end; ) {
    archive.writeUInt32LE(archive.readUInt32LE(at + 42) + offset, at + 42);
    at += 46 + archive.readUInt16LE(at + 28) + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return archive;
}

describe("a TFLite file is refused, with a code, when", () => {
  const operator = SUM.operators![0]!;
  const cases: readonly (readonly [why: string, changes: Partial<TfliteParts>, message: RegExp])[] = [
    ["it is of another kind", { identifier: "TFL2" }, /MODEL_CORRUPT.*no identifier TFL3/],
    ["it is of another version", { version: 2 }, /MODEL_CORRUPT.*version 2/],
    ["it has no graph", { subgraphs: 0 }, /MODEL_CORRUPT.*0 subgraphs/],
    ["a size is negative", withTensor(0, { shape: [1, -4] }), /MODEL_CORRUPT.*tensor 0 \(x\).*\[1,-4\]/],
    ["an activation has no elements", withTensor(2, { shape: [1, 0] }), /MODEL_CORRUPT.*tensor 2/],
    ["sizes multiply beyond any memory", withTensor(0, { shape: [65536, 65536] }), /MODEL_CORRUPT.*\[65536,65536\]/],
    ["there are too many axes", withTensor(0, { shape: Array(9).fill(1) }), /MODEL_CORRUPT.*shape/],
    [
      "a constant has not the bytes of its shape",
      withTensor(1, { shape: [5] }),
      /16 bytes; wanted 20 bytes, for float32\[5\]/,
    ],
    ["a buffer does not exist", withTensor(1, { buffer: 7 }), /MODEL_CORRUPT.*buffer 7; wanted one of 2/],
    ["a buffer ends behind the file", { buffers: [new Uint8Array(), { offset: 9999, size: 16 }] }, /ends at 10015/],
    ["a scale is zero", withTensor(0, { type: INT8, scale: [0], zeroPoint: [0] }), /MODEL_CORRUPT.*scale 0/],
    ["a scale is no number", withTensor(0, { type: INT8, scale: [Number.NaN], zeroPoint: [0] }), /scale NaN/],
    ["a scale is infinite", withTensor(0, { type: INT8, scale: [Infinity], zeroPoint: [0] }), /scale Infinity/],
    [
      "a zero point is no code",
      withTensor(0, { type: INT8, scale: [1], zeroPoint: [200] }),
      /zero point 200.*-128 to 127/,
    ],
    [
      "zero points are too few",
      withTensor(0, { type: INT8, scale: [1], zeroPoint: [1, 2] }),
      /1 scales, 2 zero points/,
    ],
    ["scales do not fit the axis", withTensor(0, { type: INT8, scale: [1, 2], axis: 1 }), /2 scales along axis 1/],
    [
      "quantization is of a custom kind",
      withTensor(0, { type: INT8, details: true }),
      /UNSUPPORTED_OPERATOR.*blockwise/,
    ],
    ["a tensor is sparse", withTensor(1, { sparse: true }), /UNSUPPORTED_OPERATOR.*sparse/],
    ["a tensor is a variable", withTensor(2, { variable: true }), /UNSUPPORTED_OPERATOR.*state/],
    ["a tensor is of text", withTensor(2, { type: 5 }), /UNSUPPORTED_OPERATOR.*STRING/],
    ["a tensor is of no type at all", withTensor(2, { type: 99 }), /UNSUPPORTED_OPERATOR.*type 99/],
    [
      "an operator reads what does not exist",
      { operators: [{ ...operator, inputs: [0, 3] }] },
      /tensor 3, which does not exist/,
    ],
    ["an operator writes what does not exist", { operators: [{ ...operator, outputs: [-1] }] }, /tensor -1, which/],
    [
      "an operator reads its own result",
      { operators: [{ ...operator, inputs: [0, 2] }] },
      /tensor 2 \(y\), which nothing computes before/,
    ],
    ["an operator writes a constant", { operators: [{ ...operator, outputs: [1] }] }, /one producer/],
    ["two operators write one tensor", { operators: [operator, operator] }, /operator 1 \(ADD\).*computed already/],
    ["an operator has no code", { operators: [{ ...operator, code: 5 }] }, /operator code 5; wanted one of 1/],
    ["a code is below nothing", { codes: [{ deprecated: -7, builtin: -3 }] }, /builtin code -3/],
    [
      "options are of another operator",
      { operators: [{ ...operator, options: { kind: 1 } }] },
      /options of kind 1; wanted kind 11/,
    ],
    [
      "an activation is unknown",
      { operators: [{ ...operator, options: { kind: 11, int8: { 0: 6 } } }] },
      /fused_activation_function 6/,
    ],
    [
      "a stride is zero",
      { codes: [{ deprecated: 3 }], operators: [{ ...operator, options: { kind: 1 } }] },
      /stride_w 0; wanted at least 1/,
    ],
    [
      "a kernel has not as many axes as it takes for granted",
      { codes: [{ deprecated: 9 }], operators: [{ inputs: [0, 1], outputs: [2] }] },
      /FULLY_CONNECTED\); found operand 1 \[4\]; wanted 2 axes/,
    ],
    ["an operand is left out", { operators: [{ ...operator, inputs: [0, -1] }] }, /ADD\); found operand 1 that is not/],
    [
      "an operator has no operands",
      { codes: [{ deprecated: 25 }], operators: [{ inputs: [], outputs: [2] }] },
      /operand 0/,
    ],
    ["nothing goes in", { inputs: [] }, /0 inputs/],
    ["nothing comes out", { outputs: [] }, /0 outputs/],
    ["the result is never computed", { operators: [] }, /outputs.*tensor 2 \(y\)/],
    [
      "a constant is shared without end",
      {
        tensors: [...SUM.tensors, ...Array(500).fill({ shape: [1024], buffer: 2 })],
        buffers: [...SUM.buffers!, new Uint8Array(4096)],
        outputs: [2],
      },
      /2048016 bytes of constants, shared/,
    ],
    ["a table is shared without end", { subgraphs: 5000 }, /shared over and over/],
  ];

  it.each(cases)("%s", (_, changes, message) => {
    expect(refusal(() => buildTflite({ ...SUM, ...changes }))).toMatch(message);
  });
});

// Found by fuzzing: what the model answers was a constant, and the refusal had no code.
it("a TFLite file that answers a constant is refused by whoever builds a network of it", () => {
  const model = decoded({ outputs: [1] });
  expect(() => lowerTflite(model)).toThrow(/UNSUPPORTED_OPERATOR.*outputs.*constant/);
});

const models = join(
  process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../../../../shared", import.meta.url)),
  "models",
);

// Operators as the files' own converters count them.
const SHARED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "audioset_cnn.float32.tflite": {
    RESHAPE: 4,
    GATHER: 2,
    MUL: 3,
    PAD: 1,
    FULLY_CONNECTED: 4,
    ADD: 1,
    SQRT: 1,
    LOG: 1,
    DEPTHWISE_CONV_2D: 11,
    CONV_2D: 10,
    MAX_POOL_2D: 1,
    LOGISTIC: 1,
  },
  "mlperf_ad_autoencoder.int8.tflite": { FULLY_CONNECTED: 10 },
  "mlperf_ic_resnet8.float32.tflite": {
    CONV_2D: 9,
    ADD: 3,
    AVERAGE_POOL_2D: 1,
    RESHAPE: 1,
    FULLY_CONNECTED: 1,
    SOFTMAX: 1,
  },
  "mlperf_ic_resnet8.int8.tflite": {
    CONV_2D: 9,
    ADD: 3,
    AVERAGE_POOL_2D: 1,
    RESHAPE: 1,
    FULLY_CONNECTED: 1,
    SOFTMAX: 1,
  },
  "mlperf_kws_dscnn.int8.tflite": {
    CONV_2D: 5,
    DEPTHWISE_CONV_2D: 4,
    AVERAGE_POOL_2D: 1,
    RESHAPE: 1,
    FULLY_CONNECTED: 1,
    SOFTMAX: 1,
  },
  "mlperf_vww_mobilenet.float32.tflite": {
    CONV_2D: 14,
    DEPTHWISE_CONV_2D: 13,
    AVERAGE_POOL_2D: 1,
    RESHAPE: 1,
    FULLY_CONNECTED: 1,
    SOFTMAX: 1,
  },
  "mlperf_vww_mobilenet.int8.tflite": {
    CONV_2D: 14,
    DEPTHWISE_CONV_2D: 13,
    AVERAGE_POOL_2D: 1,
    RESHAPE: 1,
    FULLY_CONNECTED: 1,
    SOFTMAX: 1,
  },
  "mobilenet_v1_0.25_128.uint8.tflite": {
    CONV_2D: 15,
    DEPTHWISE_CONV_2D: 13,
    AVERAGE_POOL_2D: 1,
    RESHAPE: 1,
    SOFTMAX: 1,
  },
  "mobilenet_v1_0.25_224.float32.tflite": {
    CONV_2D: 15,
    DEPTHWISE_CONV_2D: 13,
    AVERAGE_POOL_2D: 1,
    SQUEEZE: 1,
    SOFTMAX: 1,
  },
  "mobilenet_v2_1.0_224.int8.tflite": {
    QUANTIZE: 2,
    CONV_2D: 36,
    DEPTHWISE_CONV_2D: 17,
    ADD: 10,
    MEAN: 1,
    RESHAPE: 1,
    SOFTMAX: 1,
  },
  "yamnet.int8.tflite": {
    STRIDED_SLICE: 1,
    RESHAPE: 6,
    GATHER: 1,
    MUL: 1,
    PAD: 1,
    RFFT2D: 1,
    COMPLEX_ABS: 1,
    FULLY_CONNECTED: 2,
    LOG: 1,
    QUANTIZE: 1,
    SPLIT: 1,
    CONV_2D: 14,
    DEPTHWISE_CONV_2D: 13,
    MEAN: 1,
    LOGISTIC: 1,
    DEQUANTIZE: 1,
  },
};

if (!existsSync(models)) console.warn(`skipped: the models in ${models} are not there`);

describe.skipIf(!existsSync(models))("models of the field", () => {
  it.each(Object.entries(SHARED))("%s is read whole", async (name, operators) => {
    const model = decode(await readFile(join(models, name)));
    const counts: Record<string, number> = {};
    for (const operator of model.operators) counts[operator.name] = (counts[operator.name] ?? 0) + 1;
    expect(counts).toEqual(operators);
  });

  it("say what they see, hear and answer", async () => {
    const mobilenet = decode(await readFile(join(models, "mobilenet_v2_1.0_224.int8.tflite"))).metadata;
    expect(mobilenet).toMatchObject({ name: "ImageClassifier", normalization: { mean: [127.5], std: [127.5] } });
    expect(mobilenet.labels).toHaveLength(1001);
    expect(mobilenet.labels!.slice(0, 2)).toEqual(["background", "tench, Tinca tinca"]);
    const yamnet = decode(await readFile(join(models, "yamnet.int8.tflite"))).metadata;
    expect(yamnet).toMatchObject({ name: "yamnet/classification", version: "v1", author: "TensorFlow" });
    expect(yamnet.normalization).toBeUndefined();
    const listed = await readFile(join(models, "yamnet_labels.txt"), "utf8");
    expect(yamnet.labels).toEqual(listed.trimEnd().split("\n"));
  });
});
