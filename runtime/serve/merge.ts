import { type Adapter, assertAdapterFits } from "../adapter/adapter.ts";
import { prepareBase } from "../derive/base.ts";
import { deriveDeploy } from "../derive/deploy.ts";
import { LichenError } from "../errors.ts";
import { encodeModel } from "../onnx/encode.ts";
import { CARD_KEY, type ModelPackage } from "../package/package.ts";
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
  const deployed = await deriveDeploy(plan, parameters);
  return encodeModel({ ...deployed, metadata: { ...deployed.metadata, ...provenance(model, adapter) } });
}

/** A merged model is a file by itself: it says what it was made of, and how to feed it. */
const provenance = (model: ModelPackage, adapter: Adapter): Record<string, string> => {
  const { rehearsal: _, ...card } = model.card;
  return { [CARD_KEY]: JSON.stringify(card), "lichen.base": model.sha256, "lichen.adapter": adapter.sha256 };
};

/** What to serve: the model's own file, or it with an adapter. */
export const servedModel = (model: ModelPackage, adapter?: Adapter): Promise<Uint8Array> =>
  adapter ? merge(model, adapter) : Promise.resolve(model.bytes);
