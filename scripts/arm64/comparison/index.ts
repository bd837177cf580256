import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodeSafetensors, type Safetensors } from "../../../runtime/adapter/safetensors.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import { makeMaterial } from "./material.ts";

/** Those that `bin/node` knows: with plain NEON, with products of bytes, with products of matrices of bytes. */
export const PROCESSORS: readonly string[] = ["cortex-a72", "cortex-a76", "max"];

export interface Comparison {
  /** Of each package: what was read, answered and trained, with what differs on each processor. */
  values: { name: string; count: number; different: Difference[] }[];
  /** Of each package, the adapter that x64 trained first. */
  adapted: { name: string; before: number; after: { accuracy: number; exact: boolean }[] }[];
  /** As each process said of itself. */
  architectures: string[];
}

export interface Difference {
  count: number;
  /** The largest, absolute. */
  largest: number;
}

/** Lets this machine and emulated ones work on the same material. @param folder an empty one; needs `install.sh` and a build */
export async function compareProcessors(folder: string, processors: readonly string[]): Promise<Comparison> {
  const material = join(folder, "material");
  await makeMaterial(material);
  const reference = join(folder, "x64.safetensors");
  await run(process.execPath, [ANSWERS, material, reference]);
  const x64 = await read(reference);
  const others: Safetensors[] = [];
  for (const processor of processors) {
    const out = join(folder, `${processor}.safetensors`);
    await run(EMULATED, [ANSWERS, material, out, reference], { LICHEN_ARM64_CPU: processor });
    others.push(await read(out));
  }
  const machines = [x64, ...others];
  return {
    values: [...x64.tensors]
      .filter(([name]) => !name.endsWith(": adapter"))
      .map(([name, value]) => ({
        name,
        count: value.data.length,
        different: others.map(({ tensors }) => difference(value, tensors.get(name)!)),
      })),
    adapted: Object.keys(x64.metadata)
      .filter((name) => name !== "arch")
      .map((name) => {
        const judged: { before: number; after: number; exact: boolean }[] = machines.map(({ metadata }) =>
          JSON.parse(metadata[name]!),
        );
        return {
          name,
          before: judged[0]!.before,
          after: judged.map(({ after, exact }) => ({ accuracy: after, exact })),
        };
      }),
    architectures: machines.map(({ metadata }) => metadata.arch!),
  };
}

/** By compiled scripts: what runs elsewhere is what `npm run build` left. */
const root = process.cwd();
const ANSWERS = join(root, "dist/scripts/arm64/comparison/answers.js");
const EMULATED = join(root, "scripts/arm64/bin/node");

const runFile = promisify(execFile);
const run = (program: string, parameters: readonly string[], env: Record<string, string> = {}) =>
  runFile(program, parameters, { cwd: root, env: { ...process.env, ...env } });

const read = async (path: string): Promise<Safetensors> => decodeSafetensors(await readFile(path), path);

function difference(wanted: Tensor, found: Tensor): Difference {
  if (wanted.dims.join() !== found.dims.join()) throw new Error(`[${found.dims}] in the place of [${wanted.dims}]`);
  const values: ArrayLike<number | bigint> = wanted.data;
  const distances = Array.from(values, (value, at) => Math.abs(Number(value) - Number(found.data[at])));
  return {
    count: distances.filter((distance) => distance > 0).length,
    largest: distances.reduce((largest, distance) => Math.max(largest, distance), 0),
  };
}
