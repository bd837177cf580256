import { type Adapter, assertAdapterFits } from "../adapter/adapter.ts";
import { prepareBase } from "../derive/base.ts";
import { deriveDeploy } from "../derive/deploy.ts";
import { LichenError } from "../errors.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { ModelPackage } from "../package/package.ts";
import { makePlan } from "../plan/plan.ts";

/**
 * A deployable int8 ONNX: the base with the adapter folded in, at the base's own speed.
 * @throws ADAPTER_WRONG_BASE, ADAPTER_CORRUPT when its parameters are not those of its method on this base
 */
export async function merge(model: ModelPackage, adapter: Adapter): Promise<Uint8Array> {
  assertAdapterFits(adapter, model);
  const base = prepareBase(model.model);
  const plan = makePlan(base, adapter.description.method);
  const parameters = Object.fromEntries(
    plan.parameters.map(({ name, dims }) => {
      const value = adapter.tensors.get(name);
      if (value?.dims.join() !== dims.join()) {
        throw new LichenError("ADAPTER_CORRUPT", {
          at: `adapter ${adapter.sha256.slice(0, 12)}: ${name}`,
          found: value ? `[${value.dims}]` : "nothing",
          wanted: `[${dims}]`,
        });
      }
      return [name, value];
    }),
  );
  return encodeModel(await deriveDeploy(base, plan, parameters));
}

/** What to serve: the model's own file, or it with an adapter. */
export const servedModel = (model: ModelPackage, adapter?: Adapter): Promise<Uint8Array> =>
  adapter ? merge(model, adapter) : Promise.resolve(model.bytes);
