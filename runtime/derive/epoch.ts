import { LOSSES } from "../losses/index.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Graph, Model, ValueName } from "../onnx/graph.ts";
import { float32, int64, scalar, tensor } from "../onnx/tensor.ts";
import { OPTIMIZERS, type OptimizerName } from "../optimizers/index.ts";
import { foldConstants } from "../passes/fold-constants.ts";
import { prune } from "../passes/prune.ts";
import type { Plan } from "../plan/plan.ts";
import { addForward } from "./forward.ts";
import { parameterGradients } from "./parameter-gradients.ts";

export interface EpochOptions {
  optimizer: OptimizerName;
  labelSmoothing: number;
  /** Largest Euclidean norm of all gradients together. @see Pascanu et al. 2013, arXiv:1211.5063 */
  gradientNorm: number;
}

/** Names of what goes into and comes out of epoch.onnx, in one place. */
export const EPOCH = {
  /** uint8 or int8 [S, …]: a frontier value of all samples. */
  cache: (frontier: ValueName) => `cache:${frontier}`,
  /** int64 [S] */
  labels: "labels",
  /** int64 [steps, B]: which samples make up each batch. */
  order: "order",
  /** float32 [steps, B]: each sample's share of its batch. */
  shares: "shares",
  /** float32 [steps] */
  learningRates: "learning_rates",
  /** float32 []: steps taken before this epoch. */
  stepsBefore: "steps_before",
  /** Optimizer state of a parameter; float32, of the parameter's shape. */
  slot: (parameter: string, slot: string) => `${slot}:${parameter}`,
  /** A parameter or slot before and after the epoch. The bare name is its value inside the loop. */
  start: (value: string) => `start:${value}`,
  next: (value: string) => `next:${value}`,
  /** float32 [steps] */
  losses: "losses",
  /** int64 [steps] */
  corrects: "corrects",
} as const;

/**
 * epoch.onnx: one ONNX Loop over minibatches, so that one native call is one epoch.
 * Forward in integers, backward in float32, the optimizer in the graph; parameters and optimizer state go round the loop.
 */
export async function deriveEpoch(plan: Plan, options: EpochOptions): Promise<Model> {
  const { base } = plan;
  const outer = new GraphBuilder({ source: base.graph });
  for (const name of plan.frontier) {
    const { type, shape } = base.types.get(name)!;
    outer.input(EPOCH.cache(name), type, ["samples", ...shape.slice(1)]);
  }
  outer.input(EPOCH.labels, "int64", ["samples"]);
  outer.input(EPOCH.order, "int64", ["steps", "batch"]);
  outer.input(EPOCH.shares, "float32", ["steps", "batch"]);
  outer.input(EPOCH.learningRates, "float32", ["steps"]);
  outer.input(EPOCH.stepsBefore, "float32", []);
  const carried = carriedValues(plan, options.optimizer);
  for (const { name, dims } of carried) outer.input(EPOCH.start(name), "float32", dims);

  const body = await foldConstants(prune(deriveStep(outer, plan, options)));
  const steps = outer.add("Gather", [outer.add("Shape", [EPOCH.order]), outer.constant("first", scalarIndex(0))]);
  const go = outer.constant("go", tensor("bool", [], Uint8Array.of(1)));
  const results = outer.addMany(
    "Loop",
    [steps, go, ...carried.map(({ name }) => EPOCH.start(name))],
    carried.length + 2,
    { body },
  );
  const names = [...carried.map(({ name }) => EPOCH.next(name)), EPOCH.losses, EPOCH.corrects];
  names.forEach((name, at) => {
    outer.alias(name, results[at]!);
    outer.output(name);
  });
  return asModel(outer.build("epoch"), { "lichen.graph": "epoch", "lichen.method": plan.method });
}

/** Parameters, then their optimizer slots: what goes round the loop, in this order. */
export function carriedValues(plan: Plan, optimizer: OptimizerName): { name: string; dims: readonly number[] }[] {
  const slots = plan.parameters.flatMap(({ name, dims }) =>
    OPTIMIZERS[optimizer].slots.map((slot) => ({ name: EPOCH.slot(name, slot), dims })),
  );
  return [...plan.parameters, ...slots];
}

/** The body of the loop: one step over one minibatch. */
function deriveStep(outer: GraphBuilder, plan: Plan, options: EpochOptions): Graph {
  const { base } = plan;
  const b = new GraphBuilder({ outer });
  const iteration = b.input("iteration", "int64", []);
  const go = b.input("go_on", "bool", []);
  const carried = carriedValues(plan, options.optimizer);
  for (const { name, dims } of carried) b.input(name, "float32", dims);

  const chosen = b.add("Gather", [EPOCH.order, iteration]);
  for (const name of plan.frontier) b.alias(name, b.add("Gather", [EPOCH.cache(name), chosen]));
  const forward = addForward(b, plan);
  const loss = LOSSES["cross-entropy"].build(b, {
    logits: base.logits.name,
    classes: base.classes,
    labels: b.add("Gather", [EPOCH.labels, chosen]),
    shares: b.add("Gather", [EPOCH.shares, iteration]),
    options: { labelSmoothing: options.labelSmoothing },
  });
  const gradients = clipNorm(b, parameterGradients(b, plan, forward, loss.gradient), options.gradientNorm);
  const step = b.add("Add", [
    b.add("Add", [EPOCH.stepsBefore, b.add("Cast", [iteration], { to: ELEMENT_CODES.float32 })]),
    b.constant("one", scalar("float32", 1)),
  ]);
  const learningRate = b.add("Gather", [EPOCH.learningRates, iteration]);
  const optimizer = OPTIMIZERS[options.optimizer];
  const updates = plan.parameters.map(({ name }) =>
    optimizer.update(b, {
      theta: name,
      gradient: gradients.get(name)!,
      slots: optimizer.slots.map((slot) => EPOCH.slot(name, slot)),
      learningRate,
      step,
    }),
  );

  b.output(b.add("Identity", [go]));
  for (const update of updates) b.output(update.theta);
  for (const update of updates) for (const slot of update.slots) b.output(slot);
  b.output(loss.loss);
  b.output(loss.correct);
  return b.build("step");
}

function clipNorm(b: GraphBuilder, gradients: Map<string, ValueName>, limit: number): Map<string, ValueName> {
  const squares = [...gradients.values()].map((gradient) => b.add("ReduceSumSquare", [gradient], { keepdims: 0 }));
  const norm = b.add("Sqrt", [b.add("Sum", squares)]);
  const ratio = b.add("Div", [
    b.constant("limit", float32([], [limit])),
    b.add("Max", [norm, b.constant("tiny", float32([], [1e-12]))]),
  ]);
  const factor = b.add("Min", [ratio, b.constant("one", scalar("float32", 1))]);
  return new Map([...gradients].map(([name, gradient]) => [name, b.add("Mul", [gradient, factor])]));
}

const scalarIndex = (value: number) => ({ ...int64([value]), dims: [] });
