import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { CARD_KEY, loadModel } from "../../../runtime/package/package.ts";
import { toyPackage } from "../toy.ts";

const whole = fileURLToPath(new URL("../../../models/spoken-digits", import.meta.url));

it.each([
  ["card.json", "BAD_CARD"],
  ["rehearsal.safetensors", "REHEARSAL_CORRUPT"],
  ["model.onnx", "MODEL_NOT_FOUND"],
])("a package without its %s is told so, as %s", async (part, code) => {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen package "));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(whole, folder, { recursive: true });
  await expect(loadModel(folder)).resolves.toMatchObject({ path: folder });
  await rm(path.join(folder, part));
  await expect(loadModel(folder)).rejects.toThrow(new RegExp(`^${code}: .*${part}; found no readable file`));
});

it("a weight that is no number is found when the model is loaded, before it answers nonsense", async () => {
  const { model, card } = toyPackage();
  const initializers = new Map(model.graph.initializers);
  const [name, scale] = [...initializers].find(([each]) => each.includes("head_weight_scale"))!;
  initializers.set(name, { ...scale, data: new Float32Array(scale.data.length).fill(Number.NaN) });
  const bytes = encodeModel({
    ...model,
    graph: { ...model.graph, initializers },
    metadata: { [CARD_KEY]: JSON.stringify(card) },
  });
  const folder = await mkdtemp(path.join(tmpdir(), "lichen package "));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "broken.onnx");
  await writeFile(file, bytes);
  await expect(loadModel(file)).rejects.toThrow(/^MODEL_CORRUPT: .*broken.onnx: constant head_weight_scale.*NaN/);
});
