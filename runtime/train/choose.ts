import type { Base } from "../derive/base.ts";
import { headOf } from "../derive/grow.ts";
import { isWeighted } from "../integer/layers.ts";
import type { ModelPackage } from "../package/package.ts";
import { makePlan, type Plan, planOf } from "../plan/plan.ts";
import type { AdaptOptions } from "./request.ts";
import type { Task } from "./task.ts";

/**
 * What to train. An adapter that serves already and was made in the same way goes on with its own plan; new classes need a head that
 * can take them in, whatever else is trained.
 */
export async function choosePlan(
  base: Base,
  _model: ModelPackage,
  task: Task,
  { method, targets, start }: Pick<AdaptOptions, "method" | "targets" | "start">,
): Promise<Plan> {
  const before = start?.description;
  if (before?.plan && !targets && before.method === method) return planOf(base, before.plan, method);
  const plan = makePlan(base, method, targets && { targets });
  if (task.newClasses === 0 || trainsHead(plan)) return plan;
  return makePlan(base, `head+${method}`, targets && { targets });
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
