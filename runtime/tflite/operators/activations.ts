import { Refusal } from "../../normalize/refusal.ts";
import { float32 } from "../../onnx/tensor.ts";
import type { Lowering, Rule, Value } from "../lowering.ts";
import type { TfliteOperator } from "../model.ts";
import { ACTIVATIONS } from "../schema.ts";

type Range = readonly [least: number, greatest: number];

const RANGES: Readonly<Record<string, Range>> = {
  RELU: [0, Number.POSITIVE_INFINITY],
  RELU6: [0, 6],
  RELU_N1_TO_1: [-1, 1],
  RELU_0_TO_1: [0, 1],
};

/** What a converter has fused into an operator stands behind it again. */
export function fused(lowering: Lowering, { options, outputs }: TfliteOperator, value: Value): Value {
  const kind = ACTIVATIONS[Number(options.fused_activation_function ?? 0)]!;
  const name = `${lowering.name(outputs[0]!)}_${kind.toLowerCase()}`;
  if (kind === "NONE") return value;
  if (kind === "TANH") return lowering.each("Tanh", value, name);
  if (kind in RANGES) return clipped(lowering, value, RANGES[kind]!, outputs[0]!, name);
  throw new Refusal(`the fused activation ${kind}`, "convert the model with activations of its own");
}

/** Nothing where the ends of the output's codes clip as much: only then does ONNX Runtime run the operator before it in integers. */
function clipped(lowering: Lowering, value: Value, [least, greatest]: Range, output: number, name: string): Value {
  const [low, high, step] = lowering.range(output);
  // TFLite rounds the bounds to codes.
  if (low > least - step / 2 && high < greatest + step / 2) return value;
  if (greatest === Number.POSITIVE_INFINITY) return lowering.each("Relu", value, name);
  const bounds = [least, greatest].map((bound) => lowering.b.constant(`${name}_bound`, float32([], [bound])));
  return { ...value, name: lowering.b.add("Clip", [value.name, ...bounds], {}, name) };
}

const clip =
  (range: Range): Rule =>
  ({ inputs, outputs }, lowering) => {
    const [input, output] = [inputs[0]!, outputs[0]!];
    lowering.give(output, clipped(lowering, lowering.value(input), range, output, lowering.name(output)));
  };

const node =
  (
    opType: string,
    attributes: (options: TfliteOperator["options"]) => Record<string, string | { float: number }> = () => ({}),
  ): Rule =>
  ({ inputs, outputs, options }, lowering) => {
    const output = outputs[0]!;
    lowering.give(
      output,
      lowering.each(opType, lowering.value(inputs[0]!), lowering.name(output), attributes(options)),
    );
  };

/** softmax(β · x), over the last axis. */
const softmax: Rule = ({ inputs, outputs, options }, lowering) => {
  const [value, name] = [lowering.value(inputs[0]!), lowering.name(outputs[0]!)];
  const beta = Number(options.beta ?? 1);
  const factor = () => lowering.b.constant(`${name}_beta`, float32([], [beta]));
  const scaled = beta === 1 ? value.name : lowering.b.add("Mul", [value.name, factor()], {}, `${name}_scaled`);
  lowering.give(outputs[0]!, { ...value, name: lowering.b.add("Softmax", [scaled], { axis: -1 }, name) });
};

/** The slope is another for each channel. */
const prelu: Rule = ({ inputs, outputs }, lowering) => {
  const value = lowering.value(inputs[0]!);
  const slope = lowering.numbers(inputs[1]!);
  const name = lowering.name(outputs[0]!);
  const slopes = lowering.b.constant(`${name}_slope`, slope);
  lowering.give(outputs[0]!, { ...value, name: lowering.b.add("PRelu", [value.name, slopes], {}, name) });
};

export const ACTIVATION_RULES: Readonly<Record<string, Rule>> = {
  ELU: node("Elu"),
  GELU: node("Gelu", ({ approximate }) => ({ approximate: approximate ? "tanh" : "none" })),
  HARD_SWISH: node("HardSwish"),
  LEAKY_RELU: node("LeakyRelu", ({ alpha }) => ({ alpha: { float: Number(alpha) } })),
  LOGISTIC: node("Sigmoid"),
  LOG_SOFTMAX: node("LogSoftmax"),
  PRELU: prelu,
  RELU: clip(RANGES.RELU!),
  RELU6: clip(RANGES.RELU6!),
  RELU_0_TO_1: clip(RANGES.RELU_0_TO_1!),
  RELU_N1_TO_1: clip(RANGES.RELU_N1_TO_1!),
  SOFTMAX: softmax,
  TANH: node("Tanh"),
};
