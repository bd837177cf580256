import { Refusal } from "../../normalize/refusal.ts";
import { float32 } from "../../onnx/tensor.ts";
import type { Lowering, Rule, Value } from "../lowering.ts";
import { fused } from "./activations.ts";

/** Two operands element by element, what is of lower rank or size one spread out. */
const pairwise =
  (opType: string, behind: (value: Value, lowering: Lowering, name: string) => Value = (value) => value): Rule =>
  (operator, lowering) => {
    const output = operator.outputs[0]!;
    const name = lowering.name(output);
    const { names, own } = aligned(operator.inputs, lowering);
    const { shape } = lowering.tensor(output);
    const y = lowering.b.add(opType, names, {}, name);
    const value = behind({ name: y, sample: own ? shape.slice(1) : shape, own }, lowering, `${name}_behind`);
    lowering.give(output, fused(lowering, operator, value));
  };

/** Operands as ONNX broadcasts them, N in front of each that is computed. */
function aligned(inputs: readonly number[], lowering: Lowering): { names: string[]; own: boolean } {
  const rank = Math.max(...inputs.map((index) => lowering.tensor(index).shape.length));
  const isOwn = (index: number) => {
    if (!lowering.isConstant(index)) return lowering.value(index).own;
    const { shape } = lowering.tensor(index);
    return shape.length < rank || shape[0] === 1;
  };
  if (inputs.every((index) => lowering.isConstant(index))) {
    throw new Refusal("constants alone", "convert the model with its constants folded");
  }
  const own = inputs.every(isOwn);
  const names = inputs.map((index) => {
    if (lowering.isConstant(index)) return lowering.operand(index);
    const value = own ? lowering.value(index) : lowering.within(lowering.value(index));
    const missing = rank - (own ? 1 : 0) - value.sample.length;
    if (missing <= 0) return value.name;
    const sample = [...Array<number>(missing).fill(1), ...value.sample];
    return lowering.resized(value, sample, own, `${lowering.name(index)}_wide`).name;
  });
  return { names, own };
}

const alone =
  (...opTypes: readonly string[]): Rule =>
  ({ inputs, outputs }, lowering) => {
    const name = lowering.name(outputs[0]!);
    const value = opTypes.reduce<Value>(
      (x, opType, at) => lowering.each(opType, x, at === opTypes.length - 1 ? name : `${name}_${opType.toLowerCase()}`),
      lowering.value(inputs[0]!),
    );
    lowering.give(outputs[0]!, value);
  };

const squared = (value: Value, { b }: Lowering, name: string): Value => ({
  ...value,
  name: b.add("Mul", [value.name, value.name], {}, name),
});

const square: Rule = ({ inputs, outputs }, lowering) =>
  lowering.give(outputs[0]!, squared(lowering.value(inputs[0]!), lowering, lowering.name(outputs[0]!)));

/** x / max(‖x‖, 10⁻⁶), over the last axis. @see tensorflow/lite/kernels/l2norm.cc */
const l2Normalization: Rule = (operator, lowering) => {
  const { b } = lowering;
  const value = lowering.value(operator.inputs[0]!);
  const name = lowering.name(operator.outputs[0]!);
  const last = b.constant(`${name}_axis`, { type: "int64", dims: [1], data: BigInt64Array.of(-1n) });
  const norm = b.add("ReduceL2", [value.name, last], { keepdims: 1 }, `${name}_norm`);
  const least = b.add("Max", [norm, b.constant(`${name}_least`, float32([], [1e-6]))], {}, `${name}_bounded`);
  const y: Value = { ...value, name: b.add("Div", [value.name, least], {}, name) };
  lowering.give(operator.outputs[0]!, fused(lowering, operator, y));
};

export const ELEMENTWISE_RULES: Readonly<Record<string, Rule>> = {
  ABS: alone("Abs"),
  ADD: pairwise("Add"),
  CEIL: alone("Ceil"),
  DIV: pairwise("Div"),
  EXP: alone("Exp"),
  FLOOR: alone("Floor"),
  L2_NORMALIZATION: l2Normalization,
  LOG: alone("Log"),
  MAXIMUM: pairwise("Max"),
  MINIMUM: pairwise("Min"),
  MUL: pairwise("Mul"),
  NEG: alone("Neg"),
  POW: pairwise("Pow"),
  ROUND: alone("Round"),
  RSQRT: alone("Sqrt", "Reciprocal"),
  SIGN: alone("Sign"),
  SQRT: alone("Sqrt"),
  SQUARE: square,
  SQUARED_DIFFERENCE: pairwise("Sub", squared),
  SUB: pairwise("Sub"),
};
