import type { Layer, Quantized } from "../integer/layers.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Graph, ValueName } from "../onnx/graph.ts";

/** The parts of a layer that a method can change. */
export type OperandKind = "weight" | "bias";

/** A trainable tensor, float32; zero means "as the base". */
export interface Parameter {
  /** Within its layer, such as `bias`. */
  name: string;
  dims: readonly number[];
}

export interface MethodContext {
  b: GraphBuilder;
  /** The prepared base, whose constants are in reach of the builder. */
  graph: Graph;
  /** As the base has it: its weight and bias as real numbers are `layer.node.inputs[1]` and `[2]`. */
  layer: Layer;
  /** The parameter's value in the graph. */
  theta(name: string): ValueName;
}

export interface GradientSource {
  b: GraphBuilder;
  /** Gradient with respect to the operand as a real number, of the operand's shape. */
  gradient(kind: OperandKind): ValueName;
}

/**
 * A way to adapt: which layers, which parameters, how they change what is served, and how a gradient reaches them.
 * `effective` computes in the graph the very integers that are folded into the deployed model: an int8 weight and an int32 bias.
 */
export interface Method {
  name: string;
  aliases: readonly string[];
  source: string;
  /** What it changes in a layer it targets; a method named earlier in `a+b` has the first claim. */
  operands: readonly OperandKind[];
  /** The layers it would adapt when nothing else is said. */
  targets(layers: readonly Layer[]): readonly Layer[];
  parameters(layer: Layer, graph: Graph): readonly Parameter[];
  effective(context: MethodContext): Partial<Record<OperandKind, Quantized>>;
  gradients(source: GradientSource): Readonly<Record<string, ValueName>>;
}
