import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../../../runtime/adapter/safetensors.ts";
import { openSession } from "../../../../runtime/execute/session.ts";
import { normalizeModel } from "../../../../runtime/normalize/index.ts";
import { encodeModel } from "../../../../runtime/onnx/encode.ts";
import type { Model } from "../../../../runtime/onnx/graph.ts";
import { float32, type Tensor } from "../../../../runtime/onnx/tensor.ts";
import { transposeTensor } from "../../../../runtime/onnx/transpose.ts";
import { decodeTflite } from "../../../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../../../runtime/tflite/lower.ts";
import { FAMILIES, OPERATORS } from "../../../../runtime/tflite/operators/index.ts";
import { type Case, fileOf, inputOf, SAMPLES, type Side } from "./case.ts";
import { CASES } from "./cases.ts";

const file = new URL("reference.safetensors", import.meta.url);
const { tensors: reference } = decodeSafetensors(await readFile(file), "reference.safetensors");

describe("rules of TFLite's operators", () => {
  it("are each in one family, and each in a case", () => {
    const all = Object.values(FAMILIES).flatMap((family) => Object.keys(family));
    expect(new Set(all).size).toBe(all.length);
    expect(Object.keys(OPERATORS).length).toBe(all.length);
    const tried = new Set(Object.values(CASES).flatMap(({ operators }) => operators.map(([name]) => name)));
    // What goes in and comes out is float32 alone: there is nothing to cast.
    expect(all.filter((name) => !tried.has(name))).toEqual(["CAST"]);
  });

  it.each(Object.keys(CASES))("%s: as LiteRT's reference kernels, by sample", async (name) => {
    const given = CASES[name]!;
    const model = lowerTflite(decodeTflite(fileOf(name, given), name));
    const sides = given.tensors;
    const [input, output] = [Object.values(sides)[0]!, sides[given.operators.at(-1)![2][0]!]!];
    const found = await computed(model, inputTensor(name, given, input));
    const normalized = await computed(normalizeModel(model), inputTensor(name, given, input));
    expect(normalized.data).toEqual(found.data);
    const sample = output.shape[0] === 1 ? output.shape.slice(1) : output.shape;
    expect(found.dims).toEqual([SAMPLES, ...sample]);

    const wanted = reference.get(name)!.data as Float32Array;
    if (output.scale) expectCodes(found, wanted, output, ROUNDED_OTHERWISE.has(name) ? 4 : 20);
    else expectNumbers(found.data as Float32Array, wanted);
  });
});

/** Real numbers; a picture with its channels first. */
function inputTensor(name: string, given: Case, { shape, scale, zeroPoint }: Side): Tensor {
  const numbers = inputOf(name, given).map((code) => (scale ? (code - zeroPoint![0]!) * Math.fround(scale[0]!) : code));
  const own = shape[0] === 1;
  const value = float32([SAMPLES, ...(own ? shape.slice(1) : shape)], numbers);
  return own && shape.length === 4 ? transposeTensor(value, [0, 3, 1, 2]) : value;
}

async function computed(model: Model, x: Tensor): Promise<Tensor> {
  const session = await openSession(encodeModel(model));
  try {
    const [input, output] = [model.graph.inputs[0]!.name, model.graph.outputs[0]!.name];
    return (await session.run({ [input]: x }))[output]!;
  } finally {
    await session.close();
  }
}

/** TFLite rounds a half away from zero, which a mean of four or six numbers often is, and a mean that it rescales twice. */
const ROUNDED_OTHERWISE = new Set(["AVERAGE_POOL_2D, int8", "MEAN, int8, to another scale"]);

/** Kernels that multiply in fixed point round now and then to the next code: never further, and at most one in so many. */
function expectCodes(
  { data }: Tensor,
  wanted: Float32Array,
  { scale = [], zeroPoint = [] }: Side,
  oneIn: number,
): void {
  const codes = Array.from(data as Float32Array, (value) => Math.round(value / Math.fround(scale[0]!)) + zeroPoint[0]!);
  const differences = codes.map((code, at) => Math.abs(code - wanted[at]!));
  expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  expect(differences.filter((difference) => difference > 0).length).toBeLessThanOrEqual(
    Math.max(1, codes.length / oneIn),
  );
  expect(new Set(wanted).size).toBeGreaterThan(2);
}

function expectNumbers(found: Float32Array, wanted: Float32Array): void {
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  expect(found.length).toBe(wanted.length);
  wanted.forEach((value, at) => void expect(Math.abs(found[at]! - value)).toBeLessThanOrEqual(3e-6 * largest));
}
