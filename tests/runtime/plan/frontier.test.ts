import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { sha256 } from "../../../runtime/package/package.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { noise, random, toyPackage } from "../toy.ts";

/** As PyTorch exports them with an open batch: sizes are computed, and the windows of a picture stand side by side. */
const EXPORTS = [
  "gradients/networks/vit-opset13.onnx",
  "gradients/networks/vit-opset17.onnx",
  "gradients/networks/windows-opset17.onnx",
  "normalize/fixtures/cnn-9.onnx",
  "normalize/fixtures/cnn-17.onnx",
  "normalize/fixtures/mlp-17.onnx",
];

describe.each(EXPORTS)("%s", (file) => {
  const bytes = readFileSync(new URL(`../${file}`, import.meta.url));
  const model = decodeModel(bytes, file);
  const base = prepareBase(model);
  const labels = Array.from({ length: base.classes }, (_, at) => `class ${at}`);
  const { card, ...rest } = toyPackage();
  const pack = { ...rest, model, bytes, sha256: sha256(bytes), card: { ...card, labels } };
  const next = random(4);
  const patterns = labels.map(() => noise([1, ...(base.input.shape.slice(1) as number[])], next));
  const samples = Array.from({ length: 24 }, (_, at) => {
    const { dims, data } = patterns[at % labels.length]!;
    return {
      label: labels[at % labels.length]!,
      features: float32(
        dims,
        data.map((value) => value + 0.1 * next()),
      ),
    };
  });

  it("is cut where there is one row a sample, wherever what is trained begins", () => {
    for (const { name } of base.layers) {
      const { frontier } = makePlan(base, "full", { targets: [name] });
      const rows = frontier.map((value) => base.types.get(value)!);
      expect(rows.length).toBeGreaterThan(0);
      for (const { shape, type } of rows)
        expect({ batch: shape[0], type }).toEqual({ batch: base.input.shape[0], type: "float32" });
    }
  });

  it.each(["head", "bias", "sparse", "lora+bias", "adapter", "prompt"])(
    "is adapted by %s, and what is measured is what is served",
    async (method) => {
      const heldOut = samples.slice(0, 6);
      const { report, adapter } = await adapt({
        model: pack,
        samples,
        heldOut,
        method,
        epochs: 3,
        batch: 7,
        learningRate: 0.01,
      });
      const served = await evaluate({ model: pack, adapter, samples: heldOut });
      expect(served.loss).toBeCloseTo(report.after.heldOut!.loss, 4);
      expect(report.after.heldOut!.loss).toBeLessThanOrEqual(report.before.heldOut!.loss);
      expect([...adapter.tensors.values()].every(({ data }) => (data as Float32Array).every(Number.isFinite))).toBe(
        true,
      );
    },
  );
});

it("an adapter stands behind sums of two values, not behind the ε of a norm or the 1 of a Gelu written out", () => {
  const file = new URL("../gradients/networks/vit-opset13.onnx", import.meta.url);
  const { modules } = makePlan(prepareBase(decodeModel(readFileSync(file), "vit")), "adapter");
  expect(modules.map(({ site }) => site.shape)).toEqual(Array(4).fill(["batch", 5, 8]));
});
