import { prepareBase } from "../derive/base.ts";
import { LichenError } from "../errors.ts";
import { GRADIENTS } from "../gradients/index.ts";
import { METHODS } from "../methods/index.ts";
import { normalizeModel } from "../normalize/index.ts";
import { UPGRADES } from "../normalize/upgrades/index.ts";
import { decodeModel } from "../onnx/decode.ts";
import type { Dim, Model, Node } from "../onnx/graph.ts";
import { fixedBatch, macsOf, qualifiedName } from "../plan/operations.ts";
import { makePlan } from "../plan/plan.ts";
import type { ValueTypes } from "../shapes/infer.ts";
import { inferKnownTypes } from "./known-types.ts";
import { type Outline, type OutlinedNode, outline } from "./outline.ts";
import { type OwnedParameter, parametersOf } from "./parameters.ts";

/** A node that holds parameters or multiplies. */
export interface InspectedLayer {
  name: string;
  operator: string;
  precision: string;
  /** Of its first output; null where it is not known. */
  outputShape: readonly Dim[] | null;
  parameters: number;
  /** Per sample; null where shapes are not known. */
  multiplyAccumulates: number | null;
}

/** What a method would find to train, or why it finds nothing. */
export type InspectedMethod =
  | { method: string; trains: true; layers: number; trainableParameters: number }
  | { method: string; trains: false; code: string; reason: string };

export interface Inspection extends Omit<Outline, "nodes" | "constants"> {
  /** Trained numbers: weights, biases, norms; a tied weight counts once. */
  parameters: number;
  /** Of all constants, scales and shapes included. */
  weightBytes: number;
  /** Per sample; null where a shape is not known. */
  multiplyAccumulates: number | null;
  /** Layers by precision: what of the network runs in integers. */
  precision: Readonly<Record<string, { layers: number; parameters: number; multiplyAccumulates: number }>>;
  layers: readonly InspectedLayer[];
  /** Operators that no gradient passes, in the form that is trained: they must lie before the frontier. */
  withoutGradient: readonly { operator: string; nodes: number }[];
  methods: readonly InspectedMethod[];
  /** What about this model Lichen cannot hold or rewrite. */
  problems: readonly { code: string; message: string }[];
}

/**
 * What is in an ONNX file: its layers, what they cost, and what could be trained. Describes any ONNX model; what Lichen cannot do
 * with it is part of the description.
 * @throws MODEL_CORRUPT for bytes that are no ONNX model
 */
export function inspectModel(bytes: Uint8Array, at: string): Inspection {
  const file = outline(bytes, at);
  const decoded = attempt(() => decodeModel(bytes, at));
  const normal = decoded.value && attempt(() => normalizeModel(decoded.value!));
  const layers = layersOf(file, decoded.value, typesOf(decoded.value, normal?.value));
  const { nodes: _, constants: __, ...said } = file;
  return {
    ...said,
    parameters: countParameters(file),
    weightBytes: [...file.constants.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    multiplyAccumulates: layers.reduce<number | null>(
      (sum, { multiplyAccumulates }) =>
        sum === null || multiplyAccumulates === null ? null : sum + multiplyAccumulates,
      0,
    ),
    precision: sharesOf(layers),
    layers,
    withoutGradient: withoutGradient(file, normal?.value),
    methods: decoded.value ? methodsOf(decoded.value) : [],
    problems: [decoded.error, normal?.error].flatMap((error) =>
      error ? [{ code: error.code, message: error.message }] : [],
    ),
  };
}

interface Attempt<T> {
  value?: T;
  error?: LichenError;
}

function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof LichenError) return { error };
    throw error;
  }
}

/**
 * Of the file's own values. The form that is trained knows best: it has rules for more operators, and in it old ones mean what the
 * rules mean. Where a model has no such form, what an old opset says otherwise stays unknown.
 */
function typesOf(model: Model | undefined, normal: Model | undefined): ValueTypes {
  if (!model) return new Map();
  const isDue = (node: Node) =>
    Object.hasOwn(UPGRADES, node.opType) && UPGRADES[node.opType]!.some(({ below }) => model.opset < below);
  return inferKnownTypes(model.graph, normal && inferKnownTypes(normal.graph), (node) => !isDue(node));
}

function layersOf(file: Outline, model: Model | undefined, types: ValueTypes): InspectedLayer[] {
  const decoded = new Map(model?.graph.nodes.map((node) => [node.outputs[0], node]));
  const producers = new Map(file.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const owned = parametersOf(file);
  const batch = model ? fixedBatch(model.graph) : 1;
  return file.nodes.flatMap((node): InspectedLayer[] => {
    const parameters = owned(node);
    const original = decoded.get(node.outputs[0]);
    const macs = original ? macsOf(original, types) : null;
    if (parameters.length === 0 && (macs === 0 || original === undefined)) return [];
    return [
      {
        name: node.name,
        operator: node.operator,
        precision: precisionOf(node, parameters, producers, types),
        outputShape: types.get(node.outputs[0]!)?.shape ?? null,
        parameters: parameters.reduce((sum, { elements }) => sum + elements, 0),
        multiplyAccumulates: macs === null ? null : macs / batch,
      },
    ];
  });
}

const INTEGER_OPERATOR = /QLinear|Integer$|QGemm$/;

/** Integers are computed with where weight and input both are; an integer weight beside a real input only saves memory. */
function precisionOf(
  node: OutlinedNode,
  parameters: readonly OwnedParameter[],
  producers: ReadonlyMap<string, OutlinedNode>,
  types: ValueTypes,
): string {
  if (INTEGER_OPERATOR.test(node.operator)) return "int8";
  const isDequantized = (name: string) => producers.get(name)?.operator === "DequantizeLinear";
  const [weight] = parameters;
  if (!weight) return node.inputs.every(isDequantized) ? "int8" : (types.get(node.inputs[0]!)?.type ?? "unknown");
  if (!weight.isDequantized) return weight.type;
  const activations = node.inputs.slice(0, 2).filter(isDequantized).length;
  return activations === Math.min(node.inputs.length, 2)
    ? weight.type.replace("uint8", "int8")
    : `${weight.type} weights`;
}

function countParameters(file: Outline): number {
  const owned = parametersOf(file);
  const distinct = new Map(file.nodes.flatMap(owned).map(({ name, elements }) => [name, elements]));
  return [...distinct.values()].reduce((sum, elements) => sum + elements, 0);
}

function sharesOf(layers: readonly InspectedLayer[]): Inspection["precision"] {
  const kinds = [...new Set(layers.map(({ precision }) => precision))];
  return Object.fromEntries(
    kinds.map((kind) => {
      const alike = layers.filter(({ precision }) => precision === kind);
      const sum = (of: (layer: InspectedLayer) => number) => alike.reduce((total, layer) => total + of(layer), 0);
      return [
        kind,
        {
          layers: alike.length,
          parameters: sum(({ parameters }) => parameters),
          multiplyAccumulates: sum(({ multiplyAccumulates }) => multiplyAccumulates ?? 0),
        },
      ];
    }),
  );
}

/** Of the form that is trained where there is one: fused and old operators have been taken apart in it. */
function withoutGradient(file: Outline, normal: Model | undefined): Inspection["withoutGradient"] {
  const counts = new Map<string, number>();
  const found = normal
    ? normal.graph.nodes.map((node) => [qualifiedName(node), 1] as const)
    : Object.entries(file.operators);
  for (const [operator, nodes] of found) {
    if (operator !== "Constant" && !Object.hasOwn(GRADIENTS, operator))
      counts.set(operator, (counts.get(operator) ?? 0) + nodes);
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([operator, nodes]) => ({ operator, nodes }));
}

function methodsOf(model: Model): InspectedMethod[] {
  const base = attempt(() => prepareBase(model));
  return METHODS.map(({ name }): InspectedMethod => {
    const plan = base.value && attempt(() => makePlan(base.value!, name));
    const error = base.error ?? plan?.error;
    if (error) return { method: name, trains: false, code: error.code, reason: error.message };
    const { targets, modules, trainableParameters } = plan!.value!;
    return { method: name, trains: true, layers: targets.length + modules.length, trainableParameters };
  });
}
