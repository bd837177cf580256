import type * as z from "zod";
import type { LayerChange } from "../integer/effective.ts";
import type { Layer } from "../integer/layers.ts";
import type { GraphBuilder } from "../onnx/builder.ts";
import type { Dim, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import type { ValueType } from "../shapes/rule.ts";

/** Numbers and choices of a method, as they stand in `method:name=value` and in an adapter's description. */
export type Settings = Readonly<Record<string, number | string>>;

export type ChangeKind = keyof LayerChange;

/** A trainable tensor, float32. */
export interface Parameter {
  /** Within its layer or site, such as `bias`. */
  name: string;
  dims: readonly number[];
  /** Where training starts; zeros when absent. Any start must leave the base as it is. */
  start?: () => Tensor;
  /** Factor of the learning rate; 1 when absent. */
  rate?: number;
}

export interface LayerParameter extends Parameter {
  /** What it changes of the layer; of two methods that change the same, the one named first in `a+b` does. */
  changes: ChangeKind;
  /** Whether it leaves the claim to any other method, also to one named later. */
  yields?: true;
}

interface Common {
  name: string;
  /** Names in the literature and in other tools. */
  aliases: readonly string[];
  source: string;
  settings: z.ZodType<Settings>;
  /** Whether the mean of trained parameters is the mean of the changes they make. */
  averages(settings: Settings): boolean;
}

export interface ChangeContext {
  b: GraphBuilder;
  layer: Layer;
  settings: Settings;
  /** The parameter's value in the graph; undefined where another method has the claim. */
  theta(name: string): ValueName | undefined;
}

/** Gradients of the loss at one layer, made when asked for. */
export interface LayerGradients {
  /** With respect to the product of weight and input, where the channels' factors have not yet come in; [N, …], of `outputShape`. */
  dy: ValueName;
  outputShape: readonly Dim[];
  /** With respect to the weight, whole or of chosen output channels only: what the others would cost is not computed. */
  weight(channels?: readonly number[]): ValueName;
  bias(channels?: readonly number[]): ValueName;
  /** With respect to the channels' factors, [O]. */
  scale(): ValueName;
  /** With respect to the weight of an operator like the layer's, on the same input, with a kernel of other dims and its own dy. */
  weightOf(dims: readonly number[], dy: ValueName): ValueName;
  /** What that operator answers to the layer's input with a given kernel. */
  outputOf(weight: ValueName): ValueName;
}

/** What a method may consult to settle what it does in one of the layers chosen. */
export interface Choice {
  /** Place among the chosen layers, from the first. */
  at: number;
  of: number;
  /** How much each output channel matters to the loss on local samples, [O]; null before anything was measured. */
  importance: Float32Array | null;
}

/** What is known of all chosen layers, by their names. */
export interface Allotment {
  /** How much each output channel matters, [O]; of single weights where those were asked for. @see weightsOf */
  importance: ReadonlyMap<string, Float32Array>;
  /** What training one output channel takes, as a share of what training all channels of all of them would. */
  costs: ReadonlyMap<string, number>;
}

/**
 * A method that changes layers and folds into the int8 model: which layers, which parameters, what they change, and how a gradient
 * reaches them. Combined methods work on one layer side by side.
 */
export interface LayerMethod extends Common {
  kind: "layer";
  /** The layers it would adapt when nothing else is said. */
  targets(layers: readonly Layer[], settings: Settings): readonly Layer[];
  /** The settings for one of the chosen layers; as given when absent. */
  settle?(layer: Layer, settings: Settings, choice: Choice): Settings;
  /** The settings of all chosen layers together, where they compete for something; null for one that gets nothing. */
  allot?(layers: readonly Layer[], settings: Settings, allotment: Allotment): readonly (Settings | null)[];
  /** Whether `settle` and `allot` want the importance measured. */
  measures?(settings: Settings): boolean;
  /** Of what; channels when absent. */
  unit?(settings: Settings): "channel" | "weight";
  parameters(layer: Layer, settings: Settings): readonly LayerParameter[];
  change(context: ChangeContext): LayerChange;
  /** By parameter, asked only for those that are trained. */
  gradients(context: ChangeContext, gradients: LayerGradients): Readonly<Record<string, () => ValueName>>;
}

/** A value of the network where a module can stand. */
export interface Site {
  name: string;
  /** What the module reads and replaces: a quantized value, or a real one in a float network. */
  value: ValueName;
  /** [N, …] */
  shape: ValueType["shape"];
}

export interface ModuleContext {
  b: GraphBuilder;
  /** The site's value as a real number. */
  x: ValueName;
  site: Site;
  settings: Settings;
  theta(name: string): ValueName;
}

/** A method whose small network stays beside the base: it does not fold, the deployed graph grows. */
export interface ModuleMethod extends Common {
  kind: "module";
  sites(network: Network, settings: Settings): readonly Site[];
  parameters(site: Site, settings: Settings): readonly Parameter[];
  /** Adds the module; its answer takes the place of x. Made of operators that have gradient rules. */
  build(context: ModuleContext): ValueName;
}

/** What a module method may look at to find its sites. */
export interface Network {
  nodes: readonly Node[];
  layers: readonly Layer[];
  input: ValueName;
  type(name: ValueName): ValueType;
  /** The quantized form of a real value where it has one, else the value itself. */
  site(value: ValueName): ValueName;
}

export type Method = LayerMethod | ModuleMethod;
