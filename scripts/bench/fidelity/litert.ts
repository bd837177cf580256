import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** The kernels that define what TFLite computes, and those that it takes on this machine. */
export const KERNELS = ["reference", "default"] as const;
export type Kernels = (typeof KERNELS)[number];

/** A Python with `ai_edge_litert`. */
const PYTHON = process.env.LICHEN_LITERT ?? "python3";
const CACHE = process.env.LICHEN_LITERT_CACHE ?? path.join(tmpdir(), "lichen-litert");

/**
 * What LiteRT answers, one sample's output behind the other; kept, since its reference kernels take their time.
 * @param inputs of all samples, little-endian in the type of the model's input
 */
export function askLitert(model: string, inputs: Uint8Array): Record<Kernels, Uint8Array> {
  mkdirSync(CACHE, { recursive: true });
  const key = createHash("sha256").update(readFileSync(model)).update(inputs).digest("hex");
  const file = path.join(CACHE, `${key}.in`);
  const answers = KERNELS.map((kernels) => `${file}.${kernels}`);
  if (!answers.every(existsSync)) {
    writeFileSync(file, inputs);
    execFileSync(PYTHON, ["scripts/references/fidelity.py", model, file], { stdio: ["ignore", "ignore", "inherit"] });
  }
  const [reference, byDefault] = answers.map((answer) => new Uint8Array(readFileSync(answer)));
  return { reference: reference!, default: byDefault! };
}
