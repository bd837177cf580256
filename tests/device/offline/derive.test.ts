import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import * as ort from "onnxruntime-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { type OfflineDeriveResult, runOfflineDerive } from "../../../device/offline/derive.ts";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { elementCount } from "../../../runtime/onnx/tensor.ts";
import { toyModel, toySamples } from "../../runtime/toy.ts";

async function derived(method: string, options: { targets?: string[]; optimizer?: string } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen derive "));
  onTestFinished(() => rm(folder, { recursive: true }));
  const model = path.join(folder, "bare.onnx");
  await writeFile(model, encodeModel(toyModel()));
  const out = path.join(folder, "graphs");
  await runOfflineDerive({ model, method, out, ...options });
  const read = (name: string) => readFile(path.join(out, name));
  const graphs: OfflineDeriveResult = JSON.parse((await read("graphs.json")).toString());
  return { graphs, read, open: async (name: string) => ort.InferenceSession.create(await read(name)), model };
}

const COUNT = 32;
const BATCH = 8;
const STEPS = COUNT / BATCH;
const samples = toySamples(COUNT, 5);
const features = new ort.Tensor(
  "float32",
  Float32Array.from(samples.flatMap((sample) => Array.from(sample.features.data as Float32Array))),
  [COUNT, ...samples[0]!.features.dims.slice(1)],
);

describe.each(["head+bias", "lora:down=trained", "prompt", "full"])("the derived graphs of %s", (method) => {
  // As a stranger would: from the files in the folder alone, by the steps of its README.
  it("train in a plain ONNX runtime, by what their documents say", async () => {
    const { graphs, read, open } = await derived(method);
    const documented = (file: string) => graphs.graphs.find((graph) => graph.file === file)!;
    const frontier = documented("prefix.onnx")
      ? await (await open("prefix.onnx")).run({ features })
      : { [graphs.frontier[0]!]: features };

    const start = decodeSafetensors(await read("start.safetensors"), "start").tensors;
    const order = BigInt64Array.from({ length: COUNT }, (_, at) => BigInt(at));
    const labels = BigInt64Array.from(samples, ({ label }) => BigInt("abcd".indexOf(label)));
    const fixed: Record<string, ort.Tensor> = {
      ...Object.fromEntries(Object.entries(frontier).map(([name, value]) => [`cache:${name}`, value])),
      labels: new ort.Tensor("int64", labels, [COUNT]),
      order: new ort.Tensor("int64", order, [STEPS, BATCH]),
      shares: new ort.Tensor("float32", new Float32Array(COUNT).fill(1 / BATCH), [STEPS, BATCH]),
      learning_rates: new ort.Tensor("float32", new Float32Array(STEPS).fill(0.01), [STEPS]),
    };
    const epoch = await open("epoch.onnx");
    expect(documented("epoch.onnx").inputs.map(({ name }) => name)).toEqual(epoch.inputNames);
    let carried: Record<string, ort.Tensor> = Object.fromEntries(
      documented("epoch.onnx")
        .inputs.filter(({ name }) => name.startsWith("start:"))
        .map(({ name, shape }) => {
          const given = start.get(name.slice("start:".length));
          const data = given ? (given.data as Float32Array) : new Float32Array(elementCount(shape as number[]));
          return [name, new ort.Tensor("float32", data, shape as number[])];
        }),
    );
    const losses: number[] = [];
    for (let at = 0; at < 6; at++) {
      const stepsBefore = new ort.Tensor("float32", [at * STEPS], []);
      const results = await epoch.run({ ...fixed, ...carried, steps_before: stepsBefore });
      for (const { name, type, shape } of documented("epoch.onnx").outputs) {
        expect(results[name]!.type).toBe(type);
        expect(results[name]!.dims).toEqual(shape.map((dim) => (dim === "steps" ? STEPS : dim)));
      }
      losses.push(...(results.losses!.data as Float32Array));
      carried = Object.fromEntries(
        Object.keys(carried).map((name) => [name, results[name.replace("start:", "next:")]!]),
      );
    }
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(losses.slice(-STEPS))).toBeLessThan(mean(losses.slice(0, STEPS)));

    const parameters = graphs.parameters.map(({ name }) => [name, carried[`start:${name}`]!]);
    const evaluation = await open("eval.onnx");
    expect(documented("eval.onnx").inputs.map(({ name }) => name)).toEqual(evaluation.inputNames);
    const [logits] = Object.values(await evaluation.run({ ...frontier, ...Object.fromEntries(parameters) }));
    expect(logits!.dims).toEqual([COUNT, 4]);
  });
});

it("the deployed graph is the base as long as nothing was trained, and reads the same input", async () => {
  const { open, model } = await derived("bias", { targets: ["last:2"], optimizer: "sgd" });
  const run = async (session: ort.InferenceSession) => Object.values(await session.run({ features }))[0]!.data;
  expect(await run(await open("deploy.onnx"))).toEqual(await run(await ort.InferenceSession.create(model)));
});

it("every value is explained, and the page names each graph and value", async () => {
  const { graphs, read } = await derived("head+bias");
  const page = (await read("README.md")).toString();
  // Older ones answer wrongly without a word: found with a quantized network whose biases were trained in Python.
  expect(page).toContain("ONNX Runtime take 1.29 or newer");
  for (const graph of graphs.graphs) {
    expect(page).toContain(`## ${graph.file}`);
    for (const { name, meaning, unit } of [...graph.inputs, ...graph.outputs]) {
      expect(page).toContain(`\`${name}\``);
      expect([meaning, unit].every((text) => text.length > 3)).toBe(true);
    }
  }
  expect(graphs.graphs.flatMap(({ inputs }) => inputs).find(({ name }) => name === "cache:features_q")?.unit).toBe(
    "(q − 128) · 0.01600000075995922 is the real value",
  );
});

it("targets choose layers; what is unknown is refused before anything is written", async () => {
  const { graphs } = await derived("bias", { targets: ["last:1"] });
  expect(graphs.parameters.map(({ name }) => name)).toEqual(["head/bias"]);
  await expect(derived("bias", { optimizer: "magic" })).rejects.toThrow(/^BAD_ARGUMENT: .*--optimizer.*magic.*adam/);
  await expect(derived("magic")).rejects.toThrow(/^UNKNOWN_METHOD/);
  await expect(derived("bias", { targets: ["nothing"] })).rejects.toThrow(/^NOTHING_TO_TRAIN/);
});
