import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeSafetensors } from "../../runtime/adapter/safetensors.ts";
import { type Tensor, tensorFromBytes } from "../../runtime/onnx/tensor.ts";
import { fileOf, inputOf, SAMPLES } from "../../tests/runtime/tflite/lower/case.ts";
import { CASES } from "../../tests/runtime/tflite/lower/cases.ts";

// Stores what LiteRT makes of the cases of tests/runtime/tflite/lower:
//     tsc --build && node dist/scripts/references/tflite.js PYTHON

const [python = "python3"] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "lichen-tflite-"));
const TYPES = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array } as const;

const names = Object.keys(CASES);
names.forEach((name, index) => {
  const inputs = Object.values(CASES[name]!.tensors)[0]!;
  const numbers = TYPES[(inputs.type ?? "float32") as keyof typeof TYPES].from(inputOf(name, CASES[name]!));
  writeFileSync(join(folder, `${index}.tflite`), fileOf(name, CASES[name]!));
  writeFileSync(join(folder, `${index}.in`), new Uint8Array(numbers.buffer));
});
execFileSync(python, ["scripts/references/tflite.py", folder], { stdio: ["ignore", "inherit", "inherit"] });
const outputs = names.map((name, index): [string, Tensor] => {
  const bytes = readFileSync(join(folder, `${index}.out`));
  return [name, tensorFromBytes("float32", [SAMPLES, bytes.length / 4 / SAMPLES], bytes)];
});
rmSync(folder, { recursive: true });
writeFileSync("tests/runtime/tflite/lower/reference.safetensors", encodeSafetensors(new Map(outputs), {}));
