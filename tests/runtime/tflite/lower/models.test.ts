import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../../runtime/derive/base.ts";
import { isWeighted } from "../../../../runtime/integer/layers.ts";
import { normalizeModel } from "../../../../runtime/normalize/index.ts";
import { decodeTflite } from "../../../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../../../runtime/tflite/lower.ts";
import { executed, expectSettled, operatorCounts } from "../../normalize/compare.ts";

const folder = join(
  process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../../../../../shared", import.meta.url)),
  "models",
);
const there = existsSync(folder);
if (!there) console.warn(`skipped: well-known TFLite models, for want of ${folder} (set LICHEN_SHARED)`);

const read = async (name: string) => decodeTflite(await readFile(join(folder, `${name}.tflite`)), name);

interface Wanted {
  input: readonly (number | string)[];
  classes: number;
  activation: string;
  /** Convolutions and products that integer kernels have to run; 0 for a model of real numbers. */
  convolutions: number;
  products: number;
  /** Means of an even number of places, which round as TFLite does in real numbers. */
  means?: number;
  /** Matrices in front of the network that make a spectrum of a sound, in real numbers. */
  spectra?: number;
}

const MODELS: Readonly<Record<string, Wanted>> = {
  "mlperf_ic_resnet8.int8": {
    input: ["N", 3, 32, 32],
    classes: 10,
    activation: "Softmax",
    convolutions: 9,
    products: 1,
    means: 1,
  },
  "mlperf_kws_dscnn.int8": {
    input: ["N", 1, 49, 10],
    classes: 12,
    activation: "Softmax",
    convolutions: 9,
    products: 1,
  },
  "mlperf_vww_mobilenet.int8": {
    input: ["N", 3, 96, 96],
    classes: 2,
    activation: "Softmax",
    convolutions: 27,
    products: 1,
  },
  "mlperf_ad_autoencoder.int8": { input: ["N", 640], classes: 640, activation: "none", convolutions: 0, products: 10 },
  "mobilenet_v1_0.25_128.uint8": {
    input: ["N", 3, 128, 128],
    classes: 1001,
    activation: "Softmax",
    convolutions: 28,
    products: 0,
    means: 1,
  },
  "mobilenet_v2_1.0_224.int8": {
    input: ["N", 3, 224, 224],
    classes: 1001,
    activation: "Softmax",
    convolutions: 53,
    products: 0,
  },
  "yamnet.int8": {
    input: ["N", 15600],
    classes: 521,
    activation: "Sigmoid",
    convolutions: 27,
    products: 1,
    spectra: 3,
  },
};

const FLOATS: Readonly<Record<string, Omit<Wanted, "products">>> = {
  "mlperf_ic_resnet8.float32": { input: ["N", 3, 32, 32], classes: 10, activation: "Softmax", convolutions: 9 },
  "mlperf_vww_mobilenet.float32": { input: ["N", 3, 96, 96], classes: 2, activation: "Softmax", convolutions: 27 },
  "mobilenet_v1_0.25_224.float32": {
    input: ["N", 3, 224, 224],
    classes: 1001,
    activation: "Softmax",
    convolutions: 28,
  },
  "audioset_cnn.float32": { input: ["N", 5360], classes: 527, activation: "Sigmoid", convolutions: 21 },
};

describe.skipIf(!there)("well-known TFLite models", () => {
  it.each(Object.keys(MODELS))("%s runs in integers throughout, without a Transpose of its own", async (name) => {
    const wanted = MODELS[name]!;
    const model = lowerTflite(await read(name));
    expect(operatorCounts(model.graph)).not.toHaveProperty("Transpose");
    expectSettled(model);

    const counts = await executed(normalizeModel(model));
    expect(counts.QLinearConv ?? 0).toBe(wanted.convolutions);
    expect(counts.QGemm ?? 0).toBe(wanted.products);
    expect(counts).not.toHaveProperty("Conv");
    expect(counts).not.toHaveProperty("Gemm");
    // Means of an even number of codes are rounded as TFLite does, in real numbers.
    expect(counts.DequantizeLinear, "only what comes out, and means").toBe(1 + (wanted.means ?? 0));

    const base = prepareBase(model);
    expect(base.input.shape).toEqual(wanted.input);
    expect({ classes: base.classes, activation: base.activation }).toEqual({
      classes: wanted.classes,
      activation: wanted.activation,
    });
    const weighted = base.layers.filter(isWeighted);
    expect(weighted.filter(({ integer }) => integer).length).toBe(wanted.convolutions + wanted.products);
    expect(weighted.filter(({ integer }) => !integer).length).toBe(wanted.spectra ?? 0);
  });

  it.each(Object.keys(FLOATS))("%s: real numbers stay so", async (name) => {
    const wanted = FLOATS[name]!;
    const model = lowerTflite(await read(name));
    const counts = operatorCounts(model.graph);
    expect(counts).not.toHaveProperty("Transpose");
    expect(counts).not.toHaveProperty("QuantizeLinear");
    expect(counts.Conv).toBe(wanted.convolutions);
    const base = prepareBase(model);
    expect(base.input.shape).toEqual(wanted.input);
    expect(base.classes).toBe(wanted.classes);
    expect(base.activation).toBe(wanted.activation);
  });

  it("gives a quantized file in real numbers on request, with the layers it has in integers", async () => {
    const file = await read("mlperf_ic_resnet8.int8");
    const [integers, real] = [lowerTflite(file), lowerTflite(file, { form: "float" })];
    expect(Object.keys(operatorCounts(real.graph)).filter((opType) => opType.includes("Linear"))).toEqual([]);
    const layers = (model: typeof real) => prepareBase(model).layers.map(({ name }) => name);
    expect(layers(real)).toEqual(layers(integers));
    expect(operatorCounts(real.graph).Relu).toBe(7); // which the codes' ranges do in the other
  });

  it("quantizes to int8 for arm64", async () => {
    const model = lowerTflite(await read("mlperf_kws_dscnn.int8"), { target: "arm64" });
    const types = model.graph.nodes
      .filter(({ opType }) => opType === "QuantizeLinear")
      .map(({ inputs }) => model.graph.initializers.get(inputs[2]!)!.type);
    expect(new Set(types)).toEqual(new Set(["int8"]));
  });
});
