import type { Base } from "../derive/base.ts";
import { deriveDeploy } from "../derive/deploy.ts";
import { headOf } from "../derive/grow.ts";
import { findLayers, isWeighted } from "../integer/layers.ts";
import { parseMethods, withSettings } from "../methods/index.ts";
import {
  ADAPTIVE,
  assertWithinBudget,
  type Planned,
  planFor,
  planned,
  predict,
  type TrainingCosts,
  throughputFrom,
} from "../plan/index.ts";
import { makePlan, type Plan, planOf, startParameters } from "../plan/plan.ts";
import type { PlanSpec } from "../plan/plan-spec.ts";
import type { Importance } from "../plan/spec.ts";
import { inferTypes } from "../shapes/infer.ts";
import { type Dataset, makeDataset } from "./dataset.ts";
import { measureImportance } from "./importance.ts";
import { imprinted } from "./imprint.ts";
import { measureStep } from "./measured-step.ts";
import type { TrainingOptions } from "./options.ts";
import type { AdaptOptions } from "./request.ts";
import { openRowCache } from "./rows.ts";
import { splitRehearsal } from "./samples.ts";
import { rehearsalFor, type Task } from "./task.ts";

/** What choosing takes of a request. */
export type ChoiceRequest = Pick<
  AdaptOptions,
  "model" | "method" | "targets" | "budget" | "start" | "signal" | "onProgress" | "clockMs"
>;

/** What to train, within the budget. @throws as `proposePlan`, and BUDGET_EXCEEDED */
export async function choosePlan(...request: Parameters<typeof proposePlan>): Promise<Planned> {
  const found = await proposePlan(...request);
  assertWithinBudget(found);
  return found;
}

/**
 * What to train, and what would fit where that exceeds the budget. An adapter that serves already and was made in the same way goes on
 * with its own plan; new classes need a head that can take them in, whatever else is trained.
 * @throws UNKNOWN_METHOD, BAD_ARGUMENT, NOTHING_TO_TRAIN, CANCELLED
 */
export async function proposePlan(
  base: Base,
  task: Task,
  training: TrainingOptions,
  request: ChoiceRequest,
): Promise<Planned> {
  const { method, targets, budget, start } = request;
  const before = start?.description;
  const again =
    before?.plan && !targets && isAskedFor(before.plan, method) ? planOf(base, before.plan, before.method) : null;
  const looksAt = again ?? makePlan(base, method === ADAPTIVE ? "full" : method, targets && { targets });
  const costs = await timed(looksAt, costsOf(task, training, request), training, request);
  if (again) return planned(again, costs, budget);
  const importance = measures(method) ? await importanceFor(looksAt, task, training, request) : undefined;
  return planWithHead(base, task, method, { targets, importance, budget, training: costs });
}

/** The plan for a method, with the head beside it where there are new classes and the method would leave it alone. */
export function planWithHead(
  base: Base,
  { newClasses }: Pick<Task, "newClasses">,
  method: string,
  request: Parameters<typeof planFor>[2],
): Planned {
  const found = planFor(base, method, request);
  if (newClasses === 0 || trainsHead(found.plan)) return found;
  const spec = [...makePlan(base, "head").spec, ...found.plan.spec];
  return planned(planOf(base, spec, `head+${method}`), request.training, request.budget);
}

/** How the plan will be trained, as far as its cost depends on it. */
function costsOf(task: Task, training: TrainingOptions, { model }: ChoiceRequest): TrainingCosts {
  const { batch, optimizer, epochs, views, rehearsalMix } = training;
  const rehearsal = rehearsalFor(model, task);
  const pack = rehearsal ? splitRehearsal(rehearsal).train.length : 0;
  const shown = task.train.length + (pack > 0 ? Math.round(task.train.length * rehearsalMix) : 0);
  return { batch, optimizer, epochs, rows: task.train.length * (views + 1) + pack, steps: Math.ceil(shown / batch) };
}

/** The costs with what this machine gets done, where seconds are bounded: a few steps of a plan say it. */
async function timed(
  plan: Plan,
  costs: TrainingCosts,
  training: TrainingOptions,
  { budget, clockMs }: ChoiceRequest,
): Promise<TrainingCosts> {
  if (budget?.seconds === undefined || !clockMs) return costs;
  const options = { ...training, terms: [{ loss: "cross-entropy", weight: 1 }] as const };
  const seconds = await measureStep(plan, options, clockMs);
  return { ...costs, throughput: throughputFrom(predict(plan, costs).operations, seconds) };
}

/** Whether a plan is of these methods, and of the settings that are asked for other than by default. */
function isAskedFor(plan: PlanSpec, text: string): boolean {
  if (text === ADAPTIVE) return true;
  const asked = parseMethods(text);
  const names = new Set(plan.map(({ method }) => method));
  if (asked.length !== names.size) return false;
  return asked.every(({ method, settings }) => {
    const { settings: defaults } = withSettings(method, {});
    const own = plan.filter((part) => part.method === method.name);
    const wanted = Object.keys(settings).filter((name) => settings[name] !== defaults[name]);
    return own.length > 0 && wanted.every((name) => own.every((part) => part.settings[name] === settings[name]));
  });
}

export const measures = (method: string): boolean =>
  method === ADAPTIVE ||
  parseMethods(method).some((each) => each.method.kind === "layer" && each.method.measures?.(each.settings));

/** Samples that are looked at: what they say of channels settles long before their number does. */
const LOOKED_AT = 128;

/** How much the channels of a plan's layers matter, on some of the samples that train. */
export async function importanceFor(
  plan: Plan,
  task: Task,
  training: TrainingOptions,
  { model, signal, onProgress }: Pick<AdaptOptions, "model" | "signal" | "onProgress">,
): Promise<Importance> {
  const step = Math.ceil(task.train.length / LOOKED_AT);
  const some = { ...task, train: task.train.filter((_, at) => at % step === 0), heldOut: [] };
  const { rehearsal: _, ...bare } = model;
  const cache = await openRowCache(plan, bare, { threads: training.threads, signal });
  const total = 2 * some.train.length;
  const report = (done: number) => onProgress?.({ phase: "measure", done, total });
  try {
    const dataset = await makeDataset(plan, bare, some, cache, {
      training: { ...training, views: 0 },
      signal,
      onProgress: report,
    });
    const { batch, threads } = training;
    const { train, batches } = dataset;
    // The base agrees with itself: of what keeps its opinion the gradient is zero.
    const terms = dataset.terms.filter(({ loss }) => loss !== "distillation");
    const known = task.replaced ? await withRows(plan, some, dataset, { threads, signal }) : plan;
    const importance = await measureImportance(known, train, { terms, rows: batches.local, batch, threads, signal });
    report(total);
    return importance;
  } finally {
    await cache.close();
  }
}

/** The plan over a head whose rows are imprinted already: through rows of zeros no gradient reaches what is before them. */
async function withRows(
  plan: Plan,
  task: Task,
  { train, batches: { local } }: Dataset,
  options: { threads: number; signal: AbortSignal | undefined },
): Promise<Plan> {
  const { base, frontier, spec, method } = plan;
  const head = { ...makePlan(base, "head"), frontier };
  const labels = task.train.map((at) => task.labels[at]![0]);
  const rows = await imprinted(head, startParameters(head), 0, { rows: train.rows, local, labels }, options);
  const { graph } = await deriveDeploy(head, rows);
  const types = inferTypes(graph);
  return planOf({ ...base, graph, types, layers: findLayers(graph, types) }, spec, method);
}

function trainsHead({ base, targets }: Plan): boolean {
  const heads = new Set(headOf(base).map(({ name }) => name));
  return targets.some(
    ({ layer, parts }) =>
      heads.has(layer.name) &&
      isWeighted(layer) &&
      parts.some(({ parameters }) =>
        parameters.some(({ name, dims }) => name === "weight" && dims.join() === layer.weight!.dims.join()),
      ),
  );
}
