import { combine, LOSSES, type Loss, type LossName, type LossOptions, overRows } from "../losses/index.ts";
import type { Parameter } from "../methods/method.ts";
import { asModel, GraphBuilder } from "../onnx/builder.ts";
import { ELEMENT_CODES } from "../onnx/elements.ts";
import type { Dim, Graph, Model, ValueInfo, ValueName } from "../onnx/graph.ts";
import { float32, int64, scalar, tensor } from "../onnx/tensor.ts";
import { OPTIMIZERS, type OptimizerName } from "../optimizers/index.ts";
import { keepChannelsLast } from "../passes/channels-last.ts";
import { foldConstants } from "../passes/fold-constants.ts";
import { joinParts } from "../passes/join-parts.ts";
import { prune } from "../passes/prune.ts";
import type { Plan } from "../plan/plan.ts";
import { addForward } from "./forward.ts";
import { type Carried, join, type Pack, packDims, packs, split } from "./packs.ts";
import { parameterGradients } from "./parameter-gradients.ts";

/** A loss, and how much it counts beside the others. */
export interface LossTerm {
  loss: LossName;
  weight: number;
  options?: LossOptions;
  /** Whether only some rows take part in it, as the input `part:‹loss›` says. */
  partial?: boolean;
  /** Distillation: classes of the teacher. */
  teacherClasses?: number;
}

export interface EpochOptions {
  optimizer: OptimizerName;
  /** Added up; each loss at most once. */
  terms: readonly LossTerm[];
  /** Largest Euclidean norm of all gradients together. @see Pascanu et al. 2013, arXiv:1211.5063 */
  gradientNorm: number;
}

/** Names of what goes into and comes out of epoch.onnx, in one place. */
export const EPOCH = {
  /** uint8 or int8 [S, …]: a frontier value of all samples. */
  cache: (frontier: ValueName) => `cache:${frontier}`,
  /** What losses compare with, each for all samples: int64 [S], float32 [S, outputs], float32 [S, teacher's classes]. */
  labels: "labels",
  targets: "targets",
  teacher: "teacher",
  /** float32 [S]: each sample's part in a loss that is not for all of them, 0 to 1. */
  part: (loss: LossName) => `part:${loss}`,
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
  const outer = surroundings(plan, options);
  const body = await foldConstants(stepIn(outer, plan, options));
  const steps = outer.add("Gather", [outer.add("Shape", [EPOCH.order]), outer.constant("first", scalarIndex(0))]);
  const go = outer.constant("go", tensor("bool", [], Uint8Array.of(1)));
  const carried = carriedPacks(plan, options.optimizer).flatMap(({ theta, slots }) => [theta, ...slots]);
  const starts = carried.map((pack) => join(outer, pack, ({ name }) => EPOCH.start(name)));
  const results = outer.addMany("Loop", [steps, go, ...starts], carried.length + 2, { body });
  const output = (name: ValueName, value: ValueName) => {
    outer.alias(name, value);
    outer.output(name);
  };
  for (const [at, pack] of carried.entries()) {
    const values = split(outer, pack, results[at]!);
    for (const [index, { name }] of pack.entries()) output(EPOCH.next(name), values[index]!);
  }
  output(EPOCH.losses, results.at(-2)!);
  output(EPOCH.corrects, results.at(-1)!);
  return asModel(outer.build("epoch"), { "lichen.graph": "epoch", "lichen.method": plan.method });
}

/** One step before its constants fold, with what it sees around itself: what a plan costs can be read off it without running anything. */
export function deriveBareStep(plan: Plan, options: EpochOptions): { step: Graph; around: readonly ValueInfo[] } {
  const outer = surroundings(plan, options);
  const step = stepIn(outer, plan, options);
  return { step, around: outer.build("epoch").inputs };
}

const stepIn = (outer: GraphBuilder, plan: Plan, options: EpochOptions): Graph =>
  prune(joinParts(keepChannelsLast(prune(deriveStep(outer, plan, options)))));

/** The graph around the loop, as yet with nothing but its inputs. */
function surroundings(plan: Plan, options: EpochOptions): GraphBuilder {
  const { base } = plan;
  const outer = new GraphBuilder({ source: base.graph });
  for (const name of plan.frontier) {
    const { type, shape } = base.types.get(name)!;
    outer.input(EPOCH.cache(name), type, ["samples", ...shape.slice(1)]);
  }
  for (const { name, type, shape } of sideInputs(plan, options.terms)) outer.input(name, type, shape);
  outer.input(EPOCH.order, "int64", ["steps", "batch"]);
  outer.input(EPOCH.shares, "float32", ["steps", "batch"]);
  outer.input(EPOCH.learningRates, "float32", ["steps"]);
  outer.input(EPOCH.stepsBefore, "float32", []);
  for (const { name, dims } of carriedValues(plan, options.optimizer)) outer.input(EPOCH.start(name), "float32", dims);
  return outer;
}

/** What the losses read of each sample beside its frontier values. */
export function sideInputs({ base }: Plan, terms: readonly LossTerm[]): ValueInfo[] {
  const found = new Map<ValueName, ValueInfo>();
  const add = (name: ValueName, type: "int64" | "float32", rest: readonly Dim[]) =>
    found.set(name, { name, type, shape: ["samples", ...rest] });
  for (const { loss, partial, teacherClasses } of terms) {
    const { needs } = LOSSES[loss];
    if (needs === "labels") add(EPOCH.labels, "int64", []);
    if (needs === "targets") add(EPOCH.targets, "float32", [base.classes]);
    if (needs === "teacher") add(EPOCH.teacher, "float32", [teacherClasses ?? base.classes]);
    if (partial) add(EPOCH.part(loss), "float32", []);
  }
  return [...found.values()];
}

/** Parameters, then their optimizer slots: what goes from epoch to epoch. */
export function carriedValues(plan: Plan, optimizer: OptimizerName): Carried[] {
  const slots = plan.parameters.flatMap(({ name, dims }) =>
    OPTIMIZERS[optimizer].slots.map((slot) => ({ name: EPOCH.slot(name, slot), dims })),
  );
  return [...plan.parameters, ...slots];
}

/** The same as it goes round the loop: what shares a learning rate shares a vector. */
function carriedPacks({ parameters }: Plan, optimizer: OptimizerName) {
  return packs(parameters, ({ rate = 1 }) => rate).map((theta) => ({
    theta,
    slots: OPTIMIZERS[optimizer].slots.map((slot) => slotsOf(theta, slot)),
  }));
}

const slotsOf = ([first, ...rest]: Pack<Parameter>, slot: string): Pack<Carried> => {
  const named = ({ name, dims }: Parameter) => ({ name: EPOCH.slot(name, slot), dims });
  return [named(first), ...rest.map(named)];
};

/** The body of the loop: one step over one minibatch. */
function deriveStep(outer: GraphBuilder, plan: Plan, options: EpochOptions): Graph {
  const b = new GraphBuilder({ outer });
  const iteration = b.input("iteration", "int64", []);
  const go = b.input("go_on", "bool", []);
  const input = (pack: Pack<Carried>) => b.input(b.fresh("carried"), "float32", packDims(pack));
  const carried = carriedPacks(plan, options.optimizer).map(({ theta, slots }) => {
    const values = { pack: theta, theta: input(theta), slots: slots.map(input) };
    for (const [at, value] of split(b, theta, values.theta).entries()) b.alias(theta[at]!.name, value);
    return values;
  });

  const chosen = b.add("Gather", [EPOCH.order, iteration]);
  for (const name of plan.frontier) b.alias(name, b.add("Gather", [EPOCH.cache(name), chosen]));
  const forward = addForward(b, plan);
  const loss = addLosses(b, plan, options.terms, { chosen, iteration });
  const ofParameters = parameterGradients(b, plan, forward, loss.gradient);
  const joined = carried.map(({ pack }) => join(b, pack, ({ name }) => ofParameters.get(name)!));
  // Nodes run when somebody asks for them, and the last operand of the norm's sum asks first. Layer by layer, so that each layer's
  // gradients are made as soon as the backward pass is there: a vector of all biases, asked for last, would keep every dy until then.
  const vectors = joined.length === 1 && plan.parameters.every(({ dims }) => dims.length === 1);
  const measured = vectors ? joined : [...ofParameters.values()];
  const gradients = clipNorm(b, joined, measured, options.gradientNorm);
  const step = b.add("Add", [
    b.add("Add", [EPOCH.stepsBefore, b.add("Cast", [iteration], { to: ELEMENT_CODES.float32 })]),
    b.constant("one", scalar("float32", 1)),
  ]);
  const learningRate = b.add("Gather", [EPOCH.learningRates, iteration]);
  const updates = carried.map(({ pack: [{ rate }], theta, slots }, at) =>
    OPTIMIZERS[options.optimizer].update(b, {
      theta,
      gradient: gradients[at]!,
      slots,
      learningRate,
      step,
      ...(rate !== undefined && { rateFactor: rate }),
    }),
  );

  b.output(b.add("Identity", [go]));
  for (const { theta, slots } of updates) for (const value of [theta, ...slots]) b.output(value);
  b.output(loss.loss);
  b.output(loss.correct);
  return b.build("step");
}

function addLosses(
  b: GraphBuilder,
  { base }: Plan,
  terms: readonly LossTerm[],
  { chosen, iteration }: { chosen: ValueName; iteration: ValueName },
): Loss {
  const ofBatch = (name: ValueName) => b.add("Gather", [name, chosen]);
  const all = b.add("Gather", [EPOCH.shares, iteration]);
  const losses = terms.map(({ loss, weight, partial, teacherClasses, options }) => {
    const { needs, build } = LOSSES[loss];
    const built = overRows(b, base.logits, (logits) =>
      build(b, {
        logits,
        classes: base.classes,
        shares: partial ? b.add("Mul", [all, ofBatch(EPOCH.part(loss))]) : all,
        ...(needs !== "nothing" && { [needs]: ofBatch(EPOCH[needs]) }),
        ...(teacherClasses !== undefined && { teacherClasses }),
        ...(options && { options }),
      }),
    );
    return { loss: built, weight };
  });
  return combine(b, losses);
}

/** @param measured the same numbers as the gradients, in other parts */
function clipNorm(
  b: GraphBuilder,
  gradients: readonly ValueName[],
  measured: readonly ValueName[],
  limit: number,
): ValueName[] {
  const squares = measured.map((gradient) => b.add("ReduceSumSquare", [gradient], { keepdims: 0 }));
  const norm = b.add("Sqrt", [b.add("Sum", squares)]);
  const ratio = b.add("Div", [
    b.constant("limit", float32([], [limit])),
    b.add("Max", [norm, b.constant("tiny", float32([], [1e-12]))]),
  ]);
  const factor = b.add("Min", [ratio, b.constant("one", scalar("float32", 1))]);
  return gradients.map((gradient) => b.add("Mul", [gradient, factor]));
}

const scalarIndex = (value: number) => ({ ...int64([value]), dims: [] });
