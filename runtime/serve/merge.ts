import { type Adapter, assertAdapterFits } from "../adapter/adapter.ts";
import { type Base, prepareBase } from "../derive/base.ts";
import { deriveDeploy } from "../derive/deploy.ts";
import { withClasses } from "../derive/replace.ts";
import { LichenError } from "../errors.ts";
import { encodeModel } from "../onnx/encode.ts";
import { CARD_KEY, type ModelPackage } from "../package/package.ts";
import { makePlan, type Plan, planOf } from "../plan/plan.ts";

/**
 * A deployable int8 ONNX: the base with the adapter folded in, at the base's own speed; modules that do not fold stand beside it.
 * @throws ADAPTER_WRONG_BASE, ADAPTER_CORRUPT when its parameters are not those of its method on this base
 */
export async function merge(model: ModelPackage, adapter: Adapter): Promise<Uint8Array> {
  assertAdapterFits(adapter, model);
  const base = withClasses(prepareBase(model.model), adapter.description, model.card.labels.length);
  const plan = planOfAdapter(base, adapter);
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

/** The plan that an adapter was trained by; one without it was trained by its method's own choice. */
function planOfAdapter(base: Base, { description: { plan, method } }: Adapter): Plan {
  return plan ? planOf(base, plan, method) : makePlan(base, method);
}

/** A merged model is a file by itself: it says what it was made of, and how to feed it. */
const provenance = (model: ModelPackage, adapter: Adapter): Record<string, string> => {
  const { rehearsal: _, ...card } = model.card;
  const { classes, replaced } = adapter.description;
  // What was measured of classes that are gone says nothing of the others.
  const own = { ...card, labels: classes, ...(replaced && { metrics: [] }) };
  return {
    [CARD_KEY]: JSON.stringify(own),
    "lichen.base": model.sha256,
    "lichen.adapter": adapter.sha256,
  };
};

/** What to serve: the model's own file, or it with an adapter. */
export const servedModel = (model: ModelPackage, adapter?: Adapter): Promise<Uint8Array> =>
  adapter ? merge(model, adapter) : Promise.resolve(model.bytes);
