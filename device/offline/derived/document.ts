import { EPOCH } from "../../../runtime/derive/epoch.ts";
import type { LossName } from "../../../runtime/losses/index.ts";
import type { Dim, Model, ValueName } from "../../../runtime/onnx/graph.ts";
import type { Plan } from "../../../runtime/plan/plan.ts";

/** An input or output of a derived graph, as `graphs.json` tells it. */
export interface DocumentedValue {
  name: ValueName;
  type: string;
  shape: readonly Dim[];
  meaning: string;
  unit: string;
}

export interface DocumentedGraph {
  file: string;
  purpose: string;
  inputs: readonly DocumentedValue[];
  outputs: readonly DocumentedValue[];
}

export const PURPOSES = {
  prefix: "From the model's input to the frontier: run it once per sample and keep what comes out.",
  epoch: "One epoch over kept frontier values: a loop of training steps, with the optimizer in it.",
  eval: "From frontier values and parameters to logits: exactly what the deployed model answers.",
  deploy:
    "The base with parameters folded in, to serve. Here with those that training starts from, so it still is the base.",
} as const;

export type GraphName = keyof typeof PURPOSES;

/** What each input and output of a derived graph is. */
export function documentGraph(name: GraphName, model: Model, plan: Plan): DocumentedGraph {
  const inputs = model.graph.inputs.map(({ name, type, shape }) => ({ name, type, shape, ...meaningOf(name, plan) }));
  const outputs = model.graph.outputs.map((output) => {
    const { type, shape } = { ...typeOf(output.name, plan), ...output };
    return { name: output.name, type, shape, ...meaningOf(output.name, plan) };
  });
  return { file: `${name}.onnx`, purpose: PURPOSES[name], inputs, outputs };
}

type Meaning = Pick<DocumentedValue, "meaning" | "unit">;

function meaningOf(name: ValueName, plan: Plan): Meaning {
  const { input, output, logits } = plan.base;
  const fixed: Readonly<Record<ValueName, Meaning>> = {
    [input.name]: {
      meaning: "features of each sample, as the model's preprocessing makes them",
      unit: "the model's own",
    },
    [output.name]: { meaning: "the model's answer for each sample", unit: "the model's own" },
    [logits.name]: { meaning: "scores of the classes, before any softmax", unit: "nats" },
    ...Object.fromEntries(plan.frontier.map((each) => [each, frontierMeaning(each, plan)])),
    ...Object.fromEntries(plan.frontier.map((each) => [EPOCH.cache(each), frontierMeaning(each, plan, "all samples")])),
    ...EPOCH_MEANINGS,
  };
  return fixed[name] ?? partMeaning(name) ?? parameterMeaning(name, plan);
}

const EPOCH_MEANINGS: Readonly<Record<ValueName, Meaning>> = {
  [EPOCH.labels]: { meaning: "the class of each sample", unit: "index from 0" },
  [EPOCH.targets]: { meaning: "what the output should be, for each sample", unit: "the output's own" },
  [EPOCH.teacher]: { meaning: "logits of the teacher, for each sample", unit: "nats" },
  [EPOCH.order]: { meaning: "which samples make up each minibatch", unit: "index of a sample, from 0" },
  [EPOCH.shares]: { meaning: "how much each sample counts in its minibatch; a row adds up to 1", unit: "share" },
  [EPOCH.learningRates]: { meaning: "the learning rate of each step", unit: "per step" },
  [EPOCH.stepsBefore]: { meaning: "steps taken before this epoch; 0 at first", unit: "steps" },
  [EPOCH.losses]: { meaning: "the loss of each step, before the step", unit: "nats" },
  [EPOCH.corrects]: { meaning: "samples of each minibatch that were classified correctly", unit: "samples" },
};

/** A frontier value, with the numbers that make reals of its integers where it is quantized. */
function frontierMeaning(name: ValueName, { base }: Plan, of = "each sample"): Meaning {
  const quantize = base.graph.nodes.find(({ outputs, opType }) => opType === "QuantizeLinear" && outputs[0] === name);
  const [scale, zeroPoint] = [1, 2].map((at) => base.graph.initializers.get(quantize?.inputs[at] ?? "")?.data[0]);
  const unit =
    scale === undefined ? "the model's own" : `(q − ${Number(zeroPoint ?? 0)}) · ${Number(scale)} is the real value`;
  return { meaning: `activations at the frontier, of ${of}`, unit };
}

function partMeaning(name: ValueName): Meaning | undefined {
  const prefix = EPOCH.part("" as LossName);
  if (!name.startsWith(prefix)) return undefined;
  return { meaning: `each sample's part in the loss «${name.slice(prefix.length)}»`, unit: "0 to 1" };
}

/** `start:`, `next:` or bare; a parameter, or what the optimizer keeps of it. */
function parameterMeaning(name: ValueName, plan: Plan): Meaning {
  const when = name.startsWith(EPOCH.start(""))
    ? "before the epoch"
    : name.startsWith(EPOCH.next(""))
      ? "after the epoch"
      : "";
  const bare = bareName(name);
  if (plan.parameters.some((parameter) => parameter.name === bare)) {
    const meaning = ["parameter", bare, when].filter(Boolean).join(" ");
    return { meaning, unit: "difference from the base, unless start.safetensors says otherwise" };
  }
  const [slot = "", ...parameter] = bare.split(":");
  return {
    meaning: `the optimizer's ${slot} of ${parameter.join(":")} ${when}; zeros at first`,
    unit: "the optimizer's own",
  };
}

const bareName = (name: ValueName): ValueName => {
  const prefix = [EPOCH.start(""), EPOCH.next("")].find((each) => name.startsWith(each)) ?? "";
  return name.slice(prefix.length);
};

/** Outputs of derived graphs may leave their type to be inferred; here it is said. */
function typeOf(name: ValueName, plan: Plan): Pick<DocumentedValue, "type" | "shape"> {
  const known = plan.base.types.get(name);
  if (known) return { type: known.type, shape: known.shape };
  if (name === EPOCH.losses) return { type: "float32", shape: ["steps"] };
  if (name === EPOCH.corrects) return { type: "int64", shape: ["steps"] };
  const bare = bareName(name);
  const parameter = plan.parameters.find((each) => bare === each.name || bare.endsWith(`:${each.name}`));
  return { type: "float32", shape: parameter?.dims ?? [] };
}
