import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";
import { toyModel } from "../toy.ts";
import { difference, executed, expectSettled, operatorCounts } from "./compare.ts";

const fixture = async (name: string) =>
  decodeModel(await readFile(new URL(`fixtures/${name}.onnx`, import.meta.url)), name);

describe("PyTorch's exports", () => {
  for (const name of ["cnn-9", "cnn-11", "cnn-13", "cnn-17", "mlp-17"]) {
    it(`${name} computes the same to the bit, and settles`, async () => {
      const model = await fixture(name);
      expect(await difference(model)).toBe(0);
      expectSettled(model);
    });
  }
});

describe("models of ONNX Runtime's quantizer", () => {
  for (const name of [
    "cnn-qoperator-u8s8",
    "cnn-qoperator-u8u8",
    "cnn-qdq-s8s8",
    "cnn-qdq-u8u8",
    "mlp-qoperator-u8s8",
    "mlp-qoperator-u8u8",
    "mlp-qdq-s8s8",
    "mlp-qdq-u8u8",
  ]) {
    it(`${name} computes the same to the bit, and settles`, async () => {
      const model = await fixture(name);
      expect(await difference(model)).toBe(0);
      console.log(name, await executed(model), await executed(normalizeModel(model)));
      expectSettled(model);
    });
  }
});

describe("models in the one form", () => {
  it("stay as they are", () => {
    const model = toyModel({ seed: 4 });
    expect(normalizeModel(model).graph).toEqual(model.graph);
  });
});
