import { deriveBareStep, type EpochOptions, type LossTerm, sideInputs } from "../derive/epoch.ts";
import { errorCode } from "../errors.ts";
import type { Dim, Graph, ValueName } from "../onnx/graph.ts";
import { elementCount } from "../onnx/tensor.ts";
import { OPTIMIZERS, type OptimizerName } from "../optimizers/index.ts";
import { sizeOf } from "../shapes/dims.ts";
import { inferTypes, type ValueTypes } from "../shapes/infer.ts";
import { adapterBytes } from "./adapter-size.ts";
import { arenaBytes } from "./arena.ts";
import { asExecuted } from "./executed.ts";
import { buffersOf, bytesOf, executionOrder } from "./liveness.ts";
import { macsOf } from "./operations.ts";
import type { Plan } from "./plan.ts";

/** How a plan is to be trained, as far as its cost depends on it. */
export interface TrainingCosts {
  batch: number;
  optimizer: OptimizerName;
  /** Rows of the cache that are in memory at once: samples, their views, and the rehearsal pack. */
  rows: number;
  /** Cross-entropy when absent. */
  terms?: readonly LossTerm[] | undefined;
  epochs?: number | undefined;
  /** Of one epoch; as many as the rows fill when absent. */
  steps?: number | undefined;
  /** What this machine gets done; without it nobody knows how long a step takes. */
  throughput?: Throughput | null | undefined;
  /** What the adapter will say of itself; a typical description when absent. */
  description?: object | undefined;
}

/** Per second, as measured on this machine. @see throughputFrom */
export interface Throughput {
  multiplyAccumulates: number;
  /** Elements that other operators write. */
  elements: number;
}

/** What a plan costs, before anything has run. */
export interface Prediction {
  trainableParameters: number;
  adapterBytes: number;
  /** All that training holds beside the graphs and their constants. */
  trainingStateBytes: number;
  parts: {
    /** Frontier activations of the rows, and what the losses compare with. */
    cache: number;
    /** Parameters and the optimizer's memory of them, between two epochs. */
    parameters: number;
    /** What one native call adds: both once more, gradients, saved activations, temporaries, and what the allocator loses. */
    step: number;
  };
  /** Of one step over one batch. */
  operations: { multiplyAccumulates: number; elements: number };
  /** The same work in inferences of the base over the same batch. */
  inferences: number;
  /** null where the machine's throughput is not known */
  seconds: { step: number; epoch: number; training: number } | null;
}

/** Beside tensors: what kernels and threads take when they run for the first time. Measured. */
const RUN_BYTES = 1024 * 1024;

/** What a plan costs, from shapes alone. @throws NO_SHAPE, NO_GRADIENT, UNSUPPORTED_OPERATOR */
export function predict(plan: Plan, training: TrainingCosts): Prediction {
  const { batch, optimizer, rows, terms = CROSS_ENTROPY } = training;
  const steps = training.steps ?? Math.ceil(rows / batch);
  const sizes = { batch, samples: rows, steps };
  const step = stepOf(plan, { optimizer, terms, gradientNorm: 1 }, sizes);
  const { graph, types } = step;

  const cached = plan.frontier.map((name) => bytesOf(plan.base.types.get(name)!, { [batchSymbol(plan)]: rows }));
  const compared = sideInputs(plan, terms).map((input) => bytesOf(input, sizes));
  const cache = sum(cached) + sum(compared);
  const parameters = 4 * (1 + OPTIMIZERS[optimizer].slots.length) * plan.trainableParameters;
  const stepBytes = Math.round(heldByRun(step, sizes, parameters)) + RUN_BYTES;
  const operations = operationsOf(graph, types, sizes);
  return {
    trainableParameters: plan.trainableParameters,
    adapterBytes: adapterBytes(plan, training.description),
    trainingStateBytes: cache + parameters + stepBytes,
    parts: { cache, parameters, step: stepBytes },
    operations,
    inferences: workOf(operations) / workOf(inferenceOperations(plan, batch)),
    seconds: secondsOf(operations, steps, training),
  };
}

const CROSS_ENTROPY: readonly LossTerm[] = [{ loss: "cross-entropy", weight: 1 }];

/**
 * The throughput that one measured step stands for. An element goes through memory and is dearer than a multiply-accumulate: counted
 * as so many of them, steps of one machine come out within a factor of three of each other. Measured on the plan itself, it is exact.
 */
export function throughputFrom(operations: Prediction["operations"], secondsPerStep: number): Throughput {
  const perSecond = workOf(operations) / secondsPerStep;
  return { multiplyAccumulates: perSecond, elements: perSecond / MACS_OF_AN_ELEMENT };
}

const MACS_OF_AN_ELEMENT = 32;

/** In multiply-accumulates. */
const workOf = ({ multiplyAccumulates, elements }: Prediction["operations"]): number =>
  multiplyAccumulates + MACS_OF_AN_ELEMENT * elements;

/** Of the base as it is served, where quantizers and activations are part of the kernels before them. */
function inferenceOperations({ base: { graph, types, input } }: Plan, batch: number): Prediction["operations"] {
  const nodes = graph.nodes.filter(({ opType }) => !PART_OF_KERNELS.has(opType));
  return operationsOf({ ...graph, nodes }, types, { [String(input.shape[0])]: batch });
}

const PART_OF_KERNELS = new Set([
  "QuantizeLinear",
  "DequantizeLinear",
  "Relu",
  "Clip",
  "Flatten",
  "Reshape",
  "Squeeze",
]);

interface Step {
  graph: Graph;
  types: ValueTypes;
  constants: ReadonlySet<ValueName>;
}

function stepOf(plan: Plan, options: EpochOptions, sizes: Sizes): Step {
  const { step, around } = deriveBareStep(plan, options);
  const known = (bind: (dim: Dim) => Dim) =>
    inferTypes(step, new Map(around.map(({ name, type, shape }) => [name, { type, shape: shape.map(bind) }] as const)));
  try {
    return asExecuted(
      step,
      known((dim) => dim),
    );
  } catch (error) {
    // What symbols cannot follow, such as windows of a picture counted as samples, numbers can.
    if (errorCode(error) !== "NO_SHAPE") throw error;
    return asExecuted(
      step,
      known((dim) => sizeOf(dim, sizes)),
    );
  }
}

/**
 * Bytes that a native call adds: the arena that its steps fill. What a step hands to the next lies somewhere between what it gives
 * back; where exactly is decided by buffers too small to foresee. In the worst case it is in the way, in the best it came first: the
 * truth was found about half way.
 */
function heldByRun({ graph, types, constants }: Step, sizes: Sizes, carried: number): number {
  const order = executionOrder(graph);
  const step = buffersOf(graph, order, types, { sizes, held: constants });
  const again = order.length + 1;
  const later = step.map(({ bytes, from, to }) => ({ bytes, from: from + again, to: to + again }));
  const inTheWay = step.map((buffer) => (buffer.to === order.length ? { ...buffer, to: buffer.to + again } : buffer));
  const outOfTheWay = { bytes: Math.max(carried, 1), from: 0, to: order.length + again };
  return (arenaBytes([...inTheWay, ...later]) + arenaBytes([outOfTheWay, ...later])) / 2;
}

type Sizes = Readonly<Record<string, number>>;

function operationsOf(graph: Graph, types: ValueTypes, sizes: Sizes): Prediction["operations"] {
  const fixed: ValueTypes = new Map(
    [...types].map(([name, { type, shape }]) => [name, { type, shape: shape.map((dim) => sizeOf(dim, sizes)) }]),
  );
  let [multiplyAccumulates, elements] = [0, 0];
  for (const node of graph.nodes) {
    const macs = macsOf(node, fixed) ?? 0;
    multiplyAccumulates += macs;
    if (macs === 0) elements += elementCount(fixed.get(node.outputs[0]!)!.shape as number[]);
  }
  return { multiplyAccumulates, elements };
}

function secondsOf(
  { multiplyAccumulates, elements }: Prediction["operations"],
  steps: number,
  { throughput, epochs = 1 }: TrainingCosts,
): Prediction["seconds"] {
  if (!throughput) return null;
  const step = multiplyAccumulates / throughput.multiplyAccumulates + elements / throughput.elements;
  return { step, epoch: step * steps, training: step * steps * epochs };
}

const batchSymbol = ({ base }: Plan): string => String(base.input.shape[0]);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
