/**
 * Writes what this machine's processor makes of the material: features, logits, and an adapter that it trains.
 *
 *   node dist/scripts/arm64/comparison/answers.js MATERIAL OUT [ADAPTERS]
 *
 * @param ADAPTERS what another machine wrote: its adapters are served here too, as a fleet would have it
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inMemory, readDataset } from "../../../device/offline/dataset.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import {
  type Adapter,
  adapt,
  createPreprocessor,
  decodeAdapter,
  evaluate,
  loadModel,
  type ModelPackage,
  type Sample,
  type Tensor,
} from "../../../runtime/index.ts";
import { concatRows, float32, tensor } from "../../../runtime/onnx/tensor.ts";
import { answersOf } from "../../../runtime/serve/answers.ts";
import { servedModel } from "../../../runtime/serve/merge.ts";

/** Nothing here depends on a clock or on what else the machine does. */
const TRAINING = { epochs: 2, learningRate: 0.01, seed: 1 } as const;
/** Whole-depth training of pictures takes minutes under emulation. */
const METHODS = { "log-mel": "head+bias", image: "head" } as const;

const [material, out, others] = process.argv.slice(2) as [string, string, string?];
const foreign = others === undefined ? null : decodeSafetensors(await readFile(others), others).tensors;
const tensors = new Map<string, Tensor>();
const metadata: Record<string, string> = { arch: process.arch };

for (const name of (await readdir(material)).sort()) {
  const folder = join(material, name);
  const model = await loadModel(join(folder, "package"));
  const read = async (part: string) =>
    inMemory(await readDataset(join(folder, part), createPreprocessor(model.card.preprocessing)));
  const method = METHODS[model.card.preprocessing.kind as keyof typeof METHODS];
  const [train, test] = [await read("train"), await read("test")];
  const put = (what: string, value: Tensor) => tensors.set(`${name}: ${what}`, value);

  put("features", featuresOf([...train, ...test]));
  put("logits of the base", await logitsOf(model, test));
  if ((await readdir(folder)).includes("photographs")) {
    const photographs = await read("photographs");
    put("features of photographs", featuresOf(photographs));
    put("logits of photographs", await logitsOf(model, photographs));
  }

  const { adapter, report } = await adapt({ ...TRAINING, method, model, samples: train, heldOut: test });
  for (const [parameter, value] of adapter.tensors) put(`parameters trained: ${parameter}`, value);
  const adapterFile = `${name}: adapter`;
  tensors.set(adapterFile, tensor("uint8", [adapter.bytes.length], Uint8Array.from(adapter.bytes)));
  const served = await evaluate({ model, adapter, samples: test });
  const judged = {
    before: report.before.heldOut!.accuracy,
    after: report.after.heldOut!.accuracy,
    // What was trained is what is served, to the last bit of a sum over all logits.
    exact: served.loss === report.after.heldOut!.loss,
  };
  metadata[name] = JSON.stringify(judged);

  const shared = foreign === null ? adapter : decodeAdapter(foreign.get(adapterFile)!.data as Uint8Array, others!);
  put("logits with x64's adapter", await logitsOf(model, test, shared));
}
await writeFile(out, encodeSafetensors(tensors, metadata));

/** [samples, …] */
function featuresOf(samples: readonly Sample[]): Tensor {
  return concatRows(samples.map(({ features }) => features as Tensor));
}

/** [samples, classes] */
async function logitsOf(model: ModelPackage, samples: readonly Sample[], adapter?: Adapter): Promise<Tensor> {
  const { logits } = await answersOf({ model, samples }, await servedModel(model, adapter));
  return concatRows(logits.map((row) => float32([1, row.length], row)));
}
