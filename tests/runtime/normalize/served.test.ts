import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import { derivePrefix } from "../../../runtime/derive/prefix.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { noise, random } from "../toy.ts";
import { inputsOf, outputsOf } from "./compare.ts";

const FILES = [
  "cnn-9",
  "cnn-17",
  "cnn-optimized",
  "cnn-torch-int8",
  "cnn-qoperator-u8s8",
  "cnn-qoperator-u8u8",
  "cnn-qdq-s8s8",
  "cnn-qdq-u8u8",
  "mlp-17",
  "mlp-optimized",
  "mlp-qoperator-u8s8",
  "mlp-qdq-s8s8",
];

describe.each(["bias+scale", "full"])("models from elsewhere serve what was trained: %s", (method) => {
  it.each(FILES)("%s", async (name) => {
    const model = decodeModel(await readFile(new URL(`fixtures/${name}.onnx`, import.meta.url)), name);
    const base = prepareBase(model);
    const plan = makePlan(base, method);
    const inputs = inputsOf(model);
    const next = random(3);
    for (const size of [0, 0.1]) {
      const parameters = Object.fromEntries(plan.parameters.map(({ name, dims }) => [name, noise(dims, next, size)]));
      const prefix = derivePrefix(plan);
      const cached = prefix ? await outputsOf(prefix, inputs) : inputs;
      const trained = await outputsOf(await deriveEvaluation(plan), { ...cached, ...parameters });
      const served = await outputsOf(await deriveDeploy(plan, parameters), inputs);
      const untouched = await outputsOf(model, inputs);
      if (base.activation === "none") expect(trained[base.logits.name]!.data).toEqual(served[base.output.name]!.data);
      if (size === 0) expect(served[base.output.name]!.data).toEqual(untouched[base.output.name]!.data);
      else expect(served[base.output.name]!.data).not.toEqual(untouched[base.output.name]!.data);
    }
  });
});
