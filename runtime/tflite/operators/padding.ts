import { Refusal } from "../../normalize/refusal.ts";
import { float32, int64 } from "../../onnx/tensor.ts";
import type { Lowering, Rule } from "../lowering.ts";
import { MIRROR_MODES, PADDINGS } from "../schema.ts";

/** Zeros, or the number that stands behind. Zeros around a picture that only convolutions read become their own. */
const pad: Rule = ({ inputs, outputs }, lowering) => {
  const [input, paddings, number] = inputs as [number, number, number?];
  const output = outputs[0]!;
  const value = lowering.value(input);
  const sizes = pairsOf(lowering, paddings);
  const fill = number === undefined ? 0 : lowering.numbers(number).data[0]!;
  if (value.own && fill === 0 && isConvolved(lowering, output, sizes) && sameCodes(lowering, input, output)) {
    const [[top, bottom], [left, right]] = [sizes[1]!, sizes[2]!];
    return lowering.give(output, { ...value, pads: [top, left, bottom, right] });
  }
  padded(lowering, input, output, sizes, "constant", fill);
};

const mirrorPad: Rule = ({ inputs, outputs, options }, lowering) => {
  const sizes = pairsOf(lowering, inputs[1]!);
  const isReflection = MIRROR_MODES[Number(options.mode)] === "REFLECT";
  // To repeat one place at the edge is to mirror it.
  if (!isReflection && sizes.flat().some((size) => size > 1)) {
    throw new Refusal("a symmetric mirror wider than one place", "convert the model with reflection, or with zeros");
  }
  padded(lowering, inputs[0]!, outputs[0]!, sizes, isReflection ? "reflect" : "edge", 0);
};

function padded(
  lowering: Lowering,
  input: number,
  output: number,
  sizes: readonly (readonly [number, number])[],
  mode: string,
  fill: number,
): void {
  const given = lowering.value(input);
  const value = given.own && sizes[0]!.some((size) => size > 0) ? lowering.within(given) : given;
  const around = value.own ? sizes : [[0, 0] as const, ...sizes];
  const name = lowering.name(output);
  const pads = lowering.b.constant(
    `${name}_pads`,
    int64([...around.map(([begin]) => begin), ...around.map(([, end]) => end)]),
  );
  const filled = mode === "constant" ? [lowering.b.constant(`${name}_fill`, float32([], [fill]))] : [];
  const y = lowering.b.add("Pad", [value.name, pads, ...filled], { mode }, name);
  const { shape } = lowering.tensor(output);
  lowering.give(output, { name: y, sample: value.own ? shape.slice(1) : shape, own: value.own });
}

function pairsOf(lowering: Lowering, index: number): (readonly [number, number])[] {
  const flat = lowering.integers(index);
  return Array.from({ length: flat.length / 2 }, (_, axis) => [flat[axis * 2]!, flat[axis * 2 + 1]!] as const);
}

/** Whether all that reads a padded picture are convolutions that pad nothing themselves. */
function isConvolved(lowering: Lowering, output: number, sizes: readonly (readonly [number, number])[]): boolean {
  const { operators, outputs } = lowering.model;
  const readers = operators.filter(({ inputs }) => inputs.includes(output));
  const onPlaces = sizes.length === 4 && [0, 3].every((axis) => sizes[axis]!.every((size) => size === 0));
  return (
    onPlaces &&
    !outputs.includes(output) &&
    readers.every(({ name, options }) => CONVOLUTIONS.has(name) && PADDINGS[Number(options.padding)] === "VALID")
  );
}

const CONVOLUTIONS: ReadonlySet<string> = new Set(["CONV_2D", "DEPTHWISE_CONV_2D"]);

const sameCodes = (lowering: Lowering, a: number, b: number): boolean =>
  JSON.stringify(lowering.codes(a)) === JSON.stringify(lowering.codes(b));

export const PADDING_RULES: Readonly<Record<string, Rule>> = {
  MIRROR_PAD: mirrorPad,
  PAD: pad,
  PADV2: pad,
};
