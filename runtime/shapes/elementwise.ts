import { attribute } from "../onnx/attributes.ts";
import { elementOfCode } from "../onnx/elements.ts";
import type { Dim } from "../onnx/graph.ts";
import { broadcastShapes, noShape, operand, type ShapeContext, type ShapeRule } from "./rule.ts";

const same: ShapeRule = (context) => operand(context, 0);

/** All operands together, be they one or many. */
const broadcast: ShapeRule = (context) => ({ type: operand(context, 0).type, shape: broadcastOf(context) });

const comparison: ShapeRule = (context) => ({ type: "bool", shape: broadcastOf(context) });

export const ELEMENTWISE = {
  Identity: same,
  Cast: (context) => {
    const code = attribute(context.node, "to", "int");
    const type = elementOfCode(code);
    if (!type) throw noShape(context.node, `element type ${code}`, "a type Lichen computes with");
    return { type, shape: operand(context, 0).shape };
  },

  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  Mod: broadcast,
  Pow: broadcast,
  Min: broadcast,
  Max: broadcast,
  Sum: broadcast,
  Mean: broadcast,

  Neg: same,
  Abs: same,
  Sign: same,
  Sqrt: same,
  Exp: same,
  Log: same,
  Erf: same,
  Reciprocal: same,
  Floor: same,
  Ceil: same,
  Round: same,

  Relu: same,
  Clip: same,
  LeakyRelu: same,
  PRelu: same,
  Elu: same,
  Gelu: same,
  Sigmoid: same,
  HardSigmoid: same,
  HardSwish: same,
  Tanh: same,
  Softmax: same,
  LogSoftmax: same,

  Equal: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  And: comparison,
  Or: comparison,
  Not: same,

  Where: (context) => ({ type: operand(context, 1).type, shape: broadcastOf(context) }),
  /** As at inference: the mask keeps all. */
  Dropout: (context) => [operand(context, 0), { type: "bool", shape: operand(context, 0).shape }],
} satisfies Record<string, ShapeRule>;

const broadcastOf = (context: ShapeContext): readonly Dim[] =>
  context.inputs
    .map((_, at) => operand(context, at).shape)
    .reduce<readonly Dim[]>((shape, next) => broadcastShapes(shape, next, context.node), []);
