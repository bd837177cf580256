import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { scalar } from "../onnx/tensor.ts";

export interface UpdateInputs {
  theta: ValueName;
  gradient: ValueName;
  /** The optimizer's memory of this parameter, in the order of `slots`; each of the parameter's shape. */
  slots: readonly ValueName[];
  /** [], float32 */
  learningRate: ValueName;
  /** [], float32: 1 for the very first step */
  step: ValueName;
  /** What this parameter's learning rate is multiplied with; 1 when absent. */
  rateFactor?: number;
}

export interface Optimizer {
  slots: readonly string[];
  source: string;
  update(b: GraphBuilder, inputs: UpdateInputs): { theta: ValueName; slots: ValueName[] };
}

const number = (b: GraphBuilder, value: number): ValueName => b.constant("constant", scalar("float32", value));

const ownRate = (b: GraphBuilder, rate: ValueName, factor = 1): ValueName =>
  factor === 1 ? rate : b.add("Mul", [rate, number(b, factor)]);

/** β·old + (1−β)·new */
const average = (b: GraphBuilder, beta: number, old: ValueName, fresh: ValueName): ValueName =>
  b.add("Add", [b.add("Mul", [old, number(b, beta)]), b.add("Mul", [fresh, number(b, 1 - beta)])]);

const adam = (decay: number): Optimizer => ({
  slots: ["mean", "square"],
  source: decay > 0 ? "Loshchilov & Hutter 2019, arXiv:1711.05101" : "Kingma & Ba 2015, arXiv:1412.6980",
  update(b, { theta, gradient, slots: [mean, square], learningRate, step, rateFactor }) {
    const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
    const nextMean = average(b, beta1, mean!, gradient);
    const nextSquare = average(b, beta2, square!, b.add("Mul", [gradient, gradient]));
    const unbias = (value: ValueName, beta: number) =>
      b.add("Div", [value, b.add("Sub", [number(b, 1), b.add("Pow", [number(b, beta), step])])]);
    const deviation = b.add("Add", [b.add("Sqrt", [unbias(nextSquare, beta2)]), number(b, epsilon)]);
    const direction = b.add("Div", [unbias(nextMean, beta1), deviation]);
    // Parameters are differences from the base, so that decay pulls towards the base and not towards zero weights.
    const pulled = decay > 0 ? b.add("Add", [direction, b.add("Mul", [theta, number(b, decay)])]) : direction;
    const rate = ownRate(b, learningRate, rateFactor);
    return { theta: b.add("Sub", [theta, b.add("Mul", [rate, pulled])]), slots: [nextMean, nextSquare] };
  },
});

const sgd: Optimizer = {
  slots: ["momentum"],
  source: "Sutskever et al. 2013, PMLR 28(3)",
  update(b, { theta, gradient, slots: [momentum], learningRate, rateFactor }) {
    const next = b.add("Add", [b.add("Mul", [momentum!, number(b, 0.9)]), gradient]);
    const rate = ownRate(b, learningRate, rateFactor);
    return { theta: b.add("Sub", [theta, b.add("Mul", [rate, next])]), slots: [next] };
  },
};

export const OPTIMIZERS = { sgd, adam: adam(0), adamw: adam(0.01) } as const satisfies Record<string, Optimizer>;

export type OptimizerName = keyof typeof OPTIMIZERS;
