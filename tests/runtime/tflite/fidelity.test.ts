import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { bytesOf, float32 } from "../../../runtime/onnx/tensor.ts";
import { lowerTflite } from "../../../runtime/tflite/lower.ts";
import { decodeInput, endsOf, realNumbers } from "../../../scripts/bench/fidelity/codes.ts";
import { compare } from "../../../scripts/bench/fidelity/compare.ts";
import { drawnInput, REFERENCE_SAMPLES, REFERENCES, type ReferenceModel } from "./references/inputs.ts";

const shared = process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../../../../shared", import.meta.url));
const there = existsSync(join(shared, "models")) && existsSync(join(shared, "data/fsdd"));
if (!there) console.warn(`skipped: imported networks beside LiteRT, for want of ${shared} (set LICHEN_SHARED)`);

const { tensors: stored } = decodeSafetensors(
  new Uint8Array(readFileSync(new URL("references/litert.safetensors", import.meta.url))),
  "litert.safetensors",
);

/**
 * Samples that may be answered otherwise: a drawn picture is of no class of ImageNet, and XNNPACK's multipliers of sums, of 20 bits,
 * decide some halves otherwise than real numbers do. On pictures the answers are the same (npm run bench import).
 */
const UNSURE: Partial<Record<ReferenceModel, number>> = { "mobilenet_v2_1.0_224.int8": 1 };

/** scripts/references/fidelity.ts stored what LiteRT answers with the kernels that it takes by default. */
describe.skipIf(!there)("an imported int8 network answers what LiteRT does", () => {
  it.each(Object.keys(REFERENCES) as ReferenceModel[])("%s", async (name) => {
    const { model, input, output } = endsOf(readFileSync(join(shared, "models", `${name}.tflite`)), name);
    const network = normalizeModel(lowerTflite(model));
    const graphInput = network.graph.inputs[0]!;
    const dims = [1, ...(graphInput.shape.slice(1) as number[])];
    const session = await openSession(network);
    const ours: number[] = [];
    for (let sample = 0; sample < REFERENCE_SAMPLES; sample++) {
      const features = decodeInput(inputOf(name, sample), input, dims);
      const results = await session.run({ [graphInput.name]: float32(dims, features) });
      ours.push(...(results[network.graph.outputs[0]!.name]!.data as Float32Array));
    }
    await session.close();
    const theirs = realNumbers(bytesOf(stored.get(name)!), output);
    const agreement = compare(Float32Array.from(ours), theirs, output.elements, output.scale);
    expect(agreement.samples).toBe(REFERENCE_SAMPLES);
    const unsure = UNSURE[name] ?? 0;
    expect(agreement.top1 * REFERENCE_SAMPLES).toBeGreaterThanOrEqual(REFERENCE_SAMPLES - unsure);
    expect(agreement.withinOne).toBeGreaterThanOrEqual(0.99);
  });

  function inputOf(name: ReferenceModel, sample: number): Uint8Array {
    const recipe = REFERENCES[name];
    if (recipe.kind !== "stored") return drawnInput(recipe, sample, join(shared, "data/fsdd"));
    const all = bytesOf(stored.get(`${name}.input`)!);
    const length = all.length / REFERENCE_SAMPLES;
    return all.slice(sample * length, (sample + 1) * length);
  }
});
