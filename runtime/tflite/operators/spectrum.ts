import { Refusal } from "../../normalize/refusal.ts";
import { float32, type Tensor } from "../../onnx/tensor.ts";
import type { Lowering, Rule, Value } from "../lowering.ts";

/**
 * The spectrum of real rows, as products with cosines and sines: a matrix product is what the runtime does fastest, for all
 * windows and samples at once. x: [N, …, 1, L] → [N, …, 1, L/2 + 1], complex
 */
const realFourier: Rule = ({ inputs, outputs }, lowering) => {
  const [rows, length] = lowering.integers(inputs[1]!) as [number, number];
  const value = lowering.value(inputs[0]!);
  const { shape } = lowering.tensor(inputs[0]!);
  if (rows !== 1 || shape.at(-2) !== 1) {
    throw new Refusal(`a spectrum over [${rows}, ${length}]`, "convert the model with spectra of single rows");
  }
  const given = shape.at(-1)!;
  const name = lowering.name(outputs[0]!);
  const sample = [...value.sample.slice(0, -1), length / 2 + 1];
  const part = (kind: "cosine" | "sine"): Value => {
    const matrix = lowering.b.constant(`${name}_${kind}s`, waves(kind, given, length));
    return { ...value, name: lowering.b.add("MatMul", [value.name, matrix], {}, `${name}_${kind}`), sample };
  };
  lowering.giveComplex(outputs[0]!, [part("cosine"), part("sine")]);
};

/** [given, length/2 + 1]; what is given beyond the length does not count, what is missing is zero. */
function waves(kind: "cosine" | "sine", given: number, length: number): Tensor {
  const bins = length / 2 + 1;
  const wave = (time: number, bin: number) => {
    const angle = (2 * Math.PI * ((time * bin) % length)) / length;
    return kind === "cosine" ? Math.cos(angle) : -Math.sin(angle);
  };
  const at = (index: number) => {
    const time = Math.floor(index / bins);
    return time < length ? wave(time, index % bins) : 0;
  };
  return float32(
    [given, bins],
    Float32Array.from({ length: given * bins }, (_, index) => at(index)),
  );
}

/** √(re² + im²) */
const magnitude: Rule = ({ inputs, outputs }, lowering) => {
  const { b } = lowering;
  const name = lowering.name(outputs[0]!);
  const [real, imaginary] = partsOf(lowering, inputs[0]!);
  const power = b.add(
    "Add",
    [squareOf(lowering, real, name), squareOf(lowering, imaginary, name)],
    {},
    `${name}_power`,
  );
  lowering.give(outputs[0]!, { ...real, name: b.add("Sqrt", [power], {}, name) });
};

const squareOf = ({ b }: Lowering, { name }: Value, of: string): string =>
  b.add("Mul", [name, name], {}, `${of}_square`);

const part =
  (at: 0 | 1): Rule =>
  ({ inputs, outputs }, lowering) =>
    lowering.same(outputs[0]!, partsOf(lowering, inputs[0]!)[at]);

function partsOf(lowering: Lowering, index: number): readonly [Value, Value] {
  const parts = lowering.complex(index);
  if (parts) return parts;
  throw new Refusal(
    `tensor ${lowering.tensor(index).name}, which no RFFT2D made`,
    "convert the model with real spectra",
  );
}

export const SPECTRUM_RULES: Readonly<Record<string, Rule>> = {
  COMPLEX_ABS: magnitude,
  IMAG: part(1),
  REAL: part(0),
  RFFT2D: realFourier,
};
