import { Refusal } from "../../normalize/refusal.ts";
import type { Lowering, Rule, Value } from "../lowering.ts";

/** RESHAPE, SQUEEZE and EXPAND_DIMS: the file says which shape comes out. */
const reshape: Rule = ({ inputs, outputs }, lowering) => {
  const [input, output] = [inputs[0]!, outputs[0]!];
  const [name, { shape }] = [lowering.name(output), lowering.tensor(output)];
  if (lowering.isConstant(input)) return lowering.fold(output, { ...lowering.tensor(input), shape });
  const parts = lowering.complex(input);
  if (parts) {
    const [real, imaginary] = parts.map((part) => lowering.shaped(part, shape, name)) as [Value, Value];
    return lowering.giveComplex(output, [real, imaginary]);
  }
  lowering.same(output, lowering.shaped(lowering.value(input), shape, name));
};

const transpose: Rule = ({ inputs, outputs }, lowering) => {
  const output = outputs[0]!;
  const perm = lowering.integers(inputs[1]!);
  const given = lowering.value(inputs[0]!);
  const value = given.own && perm[0] !== 0 ? lowering.within(given) : given;
  const axes = value.own ? perm : [0, ...perm.map((axis) => axis + 1)];
  const { shape } = lowering.tensor(output);
  const name = lowering.b.add("Transpose", [value.name], { perm: axes }, lowering.name(output));
  lowering.give(output, { name, sample: value.own ? shape.slice(1) : shape, own: value.own });
};

/** TFLite's order of the elements in a block is that of ONNX's DCR. */
const blocks =
  (opType: "DepthToSpace" | "SpaceToDepth"): Rule =>
  ({ inputs, outputs, options }, lowering) => {
    const x = lowering.picture(inputs[0]!);
    const blocksize = Number(options.block_size);
    const [, h, w, c] = lowering.tensor(outputs[0]!).shape as [number, number, number, number];
    const y = lowering.b.add(opType, [x.name], { blocksize }, lowering.name(outputs[0]!));
    lowering.give(outputs[0]!, lowering.fromPicture(y, [c, h, w]));
  };

/** Values in one along an axis; behind the batch that each of them has. */
const concatenation: Rule = ({ inputs, outputs, options }, lowering) => {
  const values = inputs.map((index) => lowering.value(index));
  lowering.give(outputs[0]!, joined(lowering, values, Number(options.axis), outputs[0]!));
};

function joined(lowering: Lowering, given: readonly Value[], axis: number, output: number): Value {
  const { shape } = lowering.tensor(output);
  const from = axis < 0 ? axis + shape.length : axis;
  const own = from !== 0 && given.every((value) => value.own);
  const values = own ? given : given.map((value) => lowering.within(value));
  const at = lowering.axis(values[0]!, from);
  const name = lowering.b.add(
    "Concat",
    values.map((value) => value.name),
    { axis: at },
    lowering.name(output),
  );
  return { name, sample: own ? shape.slice(1) : shape, own };
}

/** A new axis, along which the values stand. */
const pack: Rule = ({ inputs, outputs, options }, lowering) => {
  const output = outputs[0]!;
  const { shape } = lowering.tensor(output);
  const axis = Number(options.axis) < 0 ? Number(options.axis) + shape.length : Number(options.axis);
  const single = shape.with(axis, 1);
  const values = inputs.map((index) => {
    const inside = lowering.within(lowering.value(index));
    return lowering.resized(inside, single, false, `${lowering.name(index)}_row`);
  });
  const name = lowering.b.add(
    "Concat",
    values.map((value) => value.name),
    { axis: axis + 1 },
    lowering.name(output),
  );
  const inside: Value = { name, sample: shape, own: false };
  lowering.give(output, shape[0] === 1 ? lowering.shaped(inside, shape, `${name}_shaped`) : inside);
};

/** Only real numbers come and go. */
const cast: Rule = ({ inputs, outputs }, lowering) => {
  const types = [inputs[0]!, outputs[0]!].map((index) => lowering.tensor(index).type);
  if (types.some((type) => type !== "float32" && type !== "float16")) {
    throw new Refusal(`${types[0]} to ${types[1]}`, "convert the model with real numbers throughout");
  }
  lowering.same(outputs[0]!, lowering.value(inputs[0]!));
};

export const LAYOUT_RULES: Readonly<Record<string, Rule>> = {
  CAST: cast,
  CONCATENATION: concatenation,
  DEPTH_TO_SPACE: blocks("DepthToSpace"),
  EXPAND_DIMS: reshape,
  PACK: pack,
  RESHAPE: reshape,
  SPACE_TO_DEPTH: blocks("SpaceToDepth"),
  SQUEEZE: reshape,
  TRANSPOSE: transpose,
};
