import { extended } from "../derive/grow.ts";
import { LichenError } from "../errors.ts";
import { findMethod } from "../methods/index.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { type Plan, startParameters } from "../plan/plan.ts";
import type { Adapter } from "./adapter.ts";

/**
 * An adapter's parameters under a plan that may train more. What the adapter lacks starts as in the base, rows of classes that it did
 * not have yet too; what it has and the plan would drop is refused, since the base would silently come back there.
 * @throws BAD_ARGUMENT
 */
export function parametersUnder(adapter: Adapter, plan: Plan): Record<string, Tensor> {
  assertSameChoices(adapter, plan);
  const start = startParameters(plan);
  for (const [name, value] of adapter.tensors) {
    const wanted = start[name]?.dims;
    const grown = wanted && grownTo(value, wanted, [adapter.description.classes.length, plan.base.classes]);
    if (!grown) {
      throw new LichenError("BAD_ARGUMENT", {
        at: `adapter ${adapter.sha256.slice(0, 12)}: ${name}`,
        found: `[${value.dims}] of ${adapter.description.method}`,
        wanted: wanted ? `[${wanted}]` : `parameters of ${plan.method}`,
        todo: "train with the adapter's own method, or start from the base",
      });
    }
    start[name] = grown;
  }
  return start;
}

/** Of other channels, or under another border, parameters of the same shape mean something else. @throws BAD_ARGUMENT */
function assertSameChoices({ sha256, description }: Adapter, { spec }: Plan): void {
  for (const { method, at, settings } of description.plan ?? []) {
    const other = spec.find((entry) => entry.method === method && entry.at === at);
    const isModule = findMethod(method).kind === "module";
    // What is a number among a layer's settings says how much: it shows in the shapes, or in the pace alone.
    const choices = Object.keys(settings).filter((name) => isModule || typeof settings[name] === "string");
    const odd = other && choices.find((name) => other.settings[name] !== settings[name]);
    if (odd === undefined) continue;
    throw new LichenError("BAD_ARGUMENT", {
      at: `adapter ${sha256.slice(0, 12)}: ${method} at ${at}`,
      found: `${odd}=${settings[odd]}`,
      wanted: `${odd}=${other!.settings[odd]}`,
      todo: "train with the adapter's own method and settings, or start from the base",
    });
  }
}

/** The same, with zeros for the classes that have come behind along one axis; null where more than that differs. */
function grownTo(value: Tensor, dims: readonly number[], [before, after]: [number, number]): Tensor | null {
  const grown = dims.flatMap((size, axis) => (size === value.dims[axis] ? [] : [axis]));
  if (dims.length !== value.dims.length || grown.length > 1) return null;
  const [axis] = grown;
  if (axis === undefined) return value;
  const isOfClasses = value.dims[axis] === before && dims[axis] === after;
  return isOfClasses ? extended(value, axis, after - before, 0) : null;
}
