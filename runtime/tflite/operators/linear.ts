import { Refusal } from "../../normalize/refusal.ts";
import { elementCount } from "../../onnx/tensor.ts";
import type { Lowering, Rule, Value } from "../lowering.ts";
import { fused } from "./activations.ts";
import { weightOperands } from "./weights.ts";

/** x: [1, …, K] or [M, K], weight: [O, K]. One row a sample is a Gemm, several are a product of matrices. */
const fullyConnected: Rule = (operator, lowering) => {
  const [input, weight, bias] = operator.inputs as [number, number, number?];
  const output = operator.outputs[0]!;
  if (Number(operator.options.weights_format ?? 0) !== 0) {
    throw new Refusal("shuffled weights", "convert the model without them");
  }
  const name = lowering.name(output);
  const [channels, width] = lowering.tensor(weight).shape as [number, number];
  const x = lowering.value(input);
  const { shape } = lowering.tensor(output);
  if (elementCount(x.sample) === width) {
    const rows = lowering.resized(x, [width], true, `${name}_row`);
    const operands = weightOperands(lowering, { input, weight, bias, output }, [0, 1], 0);
    const y = lowering.b.add("Gemm", [rows.name, operands.weight, operands.bias], { transB: 1 }, name);
    const row: Value = { name: y, sample: [channels], own: true };
    const sample = shape[0] === 1 ? shape.slice(1) : shape;
    return lowering.give(
      output,
      lowering.resized(fused(lowering, operator, row), sample, shape[0] === 1, `${name}_shaped`),
    );
  }
  const own = x.own && shape[0] === 1;
  const sample = own ? shape.slice(1) : shape;
  const rows = lowering.resized(x, [...sample.slice(0, -1), width], own, `${name}_rows`);
  const operands = weightOperands(lowering, { input, weight, bias, output }, [1, 0], 1);
  const product = lowering.b.add("MatMul", [rows.name, operands.weight], {}, name);
  const isBiased = bias !== undefined && bias >= 0 && lowering.integers(bias).some((number) => number !== 0);
  const y = isBiased ? lowering.b.add("Add", [product, operands.bias], {}, `${name}_biased`) : product;
  lowering.give(output, fused(lowering, operator, { name: y, sample, own }));
};

/** Products of computed matrices, or with a constant one. */
const matmul: Rule = ({ inputs, outputs, options }, lowering) => {
  const name = lowering.name(outputs[0]!);
  const [first, second] = inputs as [number, number];
  const { shape } = lowering.tensor(outputs[0]!);
  const own = [first, second].every((index) => lowering.isConstant(index) || lowering.value(index).own);
  const matrices = [first, second].map((index, at) => {
    const turned = options[at === 0 ? "adj_x" : "adj_y"] === true;
    if (lowering.isConstant(index))
      return transposedLast(lowering, lowering.operand(index), lowering.tensor(index).shape.length, turned);
    const value = own ? lowering.value(index) : lowering.within(lowering.value(index));
    return transposedLast(lowering, value.name, value.sample.length + 1, turned);
  });
  const y = lowering.b.add("MatMul", matrices, {}, name);
  lowering.give(outputs[0]!, { name: y, sample: own ? shape.slice(1) : shape, own });
};

function transposedLast({ b }: Lowering, name: string, rank: number, turned: boolean): string {
  if (!turned) return name;
  const perm = [...Array(rank - 2).keys(), rank - 1, rank - 2];
  return b.add("Transpose", [name], { perm }, `${name}_turned`);
}

export const LINEAR_RULES: Readonly<Record<string, Rule>> = {
  BATCH_MATMUL: matmul,
  FULLY_CONNECTED: fullyConnected,
};
