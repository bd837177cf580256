import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../runtime/adapter/safetensors.ts";
import { openSession } from "../../runtime/execute/session.ts";
import { decodeModel } from "../../runtime/onnx/decode.ts";
import { parseCard } from "../../runtime/package/card.ts";
import { createPreprocessor } from "../../runtime/signal/index.ts";
import { accuracy } from "../../scripts/models/examples.ts";
import { LABELS, readTakes, TAKES, TRAINING_SPEAKERS } from "../../scripts/models/spoken-digits/takes.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFile(new URL(path, root));
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const modelBytes = await read("models/spoken-digits/model.onnx");
const rehearsalBytes = await read("models/spoken-digits/rehearsal.safetensors");
const card = parseCard(await readFile(new URL("models/spoken-digits/card.json", root), "utf8"), "card.json");
const model = decodeModel(modelBytes, "model.onnx");
const preprocessor = createPreprocessor(card.preprocessing);

const recordings = join(process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../shared", root)), "data/fsdd");

describe("the spoken-digits package", () => {
  it("is what its card says, to the byte", () => {
    expect(card.sha256).toBe(sha256(modelBytes));
    expect(card.rehearsal?.sha256).toBe(sha256(rehearsalBytes));
    expect(card.labels).toEqual([...LABELS]);
  });

  it("is small: at most 100,000 parameters and half a megabyte", () => {
    const counted = [...model.graph.initializers].filter(([name]) => name.endsWith("_quantized"));
    const parameters = counted.reduce((sum, [, { data }]) => sum + data.length, 0);
    expect(parameters).toBeGreaterThan(10_000);
    expect(parameters).toBeLessThanOrEqual(100_000);
    expect(modelBytes.length + rehearsalBytes.length).toBeLessThan(500_000);
  });

  it("is run by ONNX Runtime with every Conv as a QLinearConv and the Gemm as a QGemm", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lichen-package-"));
    try {
      const path = join(folder, "optimized.onnx");
      await (await openSession(model, { optimizedModelPath: path })).close();
      const operators = decodeModel(await readFile(path), path).graph.nodes.map(({ opType }) => opType);
      const convolutions = model.graph.nodes.filter(({ opType }) => opType === "Conv").length;
      expect(operators.filter((opType) => opType === "QLinearConv").length).toBe(convolutions);
      expect(operators.filter((opType) => opType === "QGemm").length).toBe(1);
      expect(operators).not.toContain("Conv");
      expect(operators).not.toContain("DequantizeLinear");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("states at least 97 % on held-out takes, float and int8 within one point", () => {
    const stated = (name: string) => card.metrics.find((m) => m.name === name && m.on.includes("held out"))!.value;
    expect(stated("accuracy float")).toBeGreaterThanOrEqual(0.97);
    expect(stated("accuracy int8")).toBeGreaterThanOrEqual(0.97);
    expect(Math.abs(stated("accuracy float") - stated("accuracy int8"))).toBeLessThanOrEqual(0.01);
  });

  it("rehearses eight examples per class, all of which it gets right", async () => {
    const { tensors, metadata } = decodeSafetensors(rehearsalBytes, "rehearsal.safetensors");
    expect(metadata).toEqual({ value: "features_q", model: card.sha256 });
    const features = tensors.get("features_q")!;
    const labels = [...(tensors.get("labels")!.data as BigInt64Array)].map(Number);
    for (const digit of LABELS.keys()) expect(labels.filter((label) => label === digit).length).toBe(8);

    // The model from its quantized input on.
    const quantizer = model.graph.nodes[0]!;
    expect(quantizer.outputs).toEqual(["features_q"]);
    const { shape } = model.graph.inputs[0]!;
    const inputs = [{ name: "features_q", type: "uint8", shape }] as const;
    const session = await openSession({
      ...model,
      graph: { ...model.graph, inputs, nodes: model.graph.nodes.slice(1) },
    });
    const { logits } = await session.run({ features_q: features });
    await session.close();
    const scores = logits!.data as Float32Array;
    labels.forEach((label, row) => {
      const of = scores.subarray(row * 10, row * 10 + 10);
      expect(of.indexOf(Math.max(...of)), `example ${row}`).toBe(label);
    });
  });

  it("finds the demo's voice hard, but not hopeless", async () => {
    const takes = [];
    for (const [label, word] of LABELS.entries()) {
      for (const take of ["00", "01", "02", "03", "04", "05"]) {
        const path = `scripts/demo/recordings/board-a/test/${word}/${take}.wav`;
        takes.push({ label, features: await preprocessor.features(await read(path), path) });
      }
    }
    const heard = await accuracy(model, takes);
    expect(heard).toBeGreaterThan(0.3);
    expect(heard).toBeLessThan(0.75);
  });

  const there = existsSync(recordings);
  if (!there) console.warn(`skipped: the accuracy on held-out takes, for want of ${recordings} (set LICHEN_SHARED)`);
  it.skipIf(!there)("hears the held-out takes as well as its card says", async () => {
    const heldOut = await readTakes(recordings, preprocessor, TRAINING_SPEAKERS, TAKES.heldOut);
    const stated = card.metrics.find(({ name, on }) => name === "accuracy int8" && on.includes("held out"))!.value;
    expect(await accuracy(model, heldOut)).toBe(stated);
  });
});
