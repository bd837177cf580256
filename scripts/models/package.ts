import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors } from "../../runtime/adapter/safetensors.ts";
import { openSession } from "../../runtime/execute/session.ts";
import { encodeModel } from "../../runtime/onnx/encode.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import { int64 } from "../../runtime/onnx/tensor.ts";
import { type Card, parseCard } from "../../runtime/package/card.ts";
import { sha256 } from "../../runtime/package/package.ts";
import { batches, type Example, predict } from "./examples.ts";

export interface Parts {
  model: Model;
  /** What only the maker of the model knows; hashes come by themselves. */
  card: Omit<Card, "format" | "sha256" | "rehearsal">;
  /** What adaptation must not forget. */
  rehearsal: readonly Example[];
}

/** Writes a package folder, checked as `loadModel` would. The same parts give the same bytes. */
export async function writePackage(folder: string, { model, card, rehearsal }: Parts): Promise<void> {
  const modelBytes = encodeModel(model);
  const rehearsalBytes = await rehearsalPack(model, rehearsal, sha256(modelBytes));
  const { id, version, description, licence, ...rest } = card;
  const identity = { format: 1, id, version, description, licence, sha256: sha256(modelBytes) };
  const whole = { ...identity, ...rest, rehearsal: { sha256: sha256(rehearsalBytes) } };
  const text = `${JSON.stringify(whole, null, 2)}\n`;
  parseCard(text, "card.json");

  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "model.onnx"), modelBytes);
  await writeFile(join(folder, "rehearsal.safetensors"), rehearsalBytes);
  await writeFile(join(folder, "card.json"), text);
  console.log(`${folder}: model ${modelBytes.length} bytes, rehearsal ${rehearsalBytes.length} bytes`);
}

/** Those that the model gets right: what it never knew cannot be forgotten. */
export async function known<E extends Example>(model: Model, examples: readonly E[]): Promise<E[]> {
  const predicted = await predict(model, examples);
  return examples.filter(({ label }, index) => predicted[index] === label);
}

/** The examples as the quantized input of the model. */
async function rehearsalPack(model: Model, examples: readonly Example[], modelSha256: string): Promise<Uint8Array> {
  const input = model.graph.inputs[0]!.name;
  // A value inside the graph: asked for as an output, it is computed and nothing else is.
  const value = model.graph.nodes.find(({ inputs }) => inputs[0] === input)!.outputs[0]!;
  const session = await openSession({ ...model, graph: { ...model.graph, outputs: [{ name: value }] } });
  const [features] = batches(examples, examples.length);
  const { [value]: quantized } = await session.run({ [input]: features! });
  await session.close();
  const labels = int64(examples.map(({ label }) => label));
  return encodeSafetensors(
    new Map([
      [value, quantized!],
      ["labels", labels],
    ]),
    { value, model: modelSha256 },
  );
}
