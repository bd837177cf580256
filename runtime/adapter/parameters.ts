import { extended } from "../derive/grow.ts";
import { LichenError } from "../errors.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { type Plan, startParameters } from "../plan/plan.ts";
import type { Adapter } from "./adapter.ts";

/**
 * An adapter's parameters under a plan that may train more. What the adapter lacks starts as in the base, rows of classes that it did
 * not have yet too; what it has and the plan would drop is refused, since the base would silently come back there.
 * @throws BAD_ARGUMENT
 */
export function parametersUnder(adapter: Adapter, plan: Plan): Record<string, Tensor> {
  const start = startParameters(plan);
  for (const [name, value] of adapter.tensors) {
    const wanted = start[name]?.dims;
    const grown = wanted && grownTo(value, wanted);
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

/** The same, with zeros behind it along the one axis that has grown; null where more than that differs. */
function grownTo(value: Tensor, dims: readonly number[]): Tensor | null {
  const grown = dims.flatMap((size, axis) => (size === value.dims[axis] ? [] : [axis]));
  if (dims.length !== value.dims.length || grown.length > 1) return null;
  const [axis] = grown;
  if (axis === undefined) return value;
  const added = dims[axis]! - value.dims[axis]!;
  return added > 0 ? extended(value, axis, added, 0) : null;
}
