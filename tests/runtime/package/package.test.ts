import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { loadModel } from "../../../runtime/package/package.ts";

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
