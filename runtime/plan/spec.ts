import { LichenError } from "../errors.ts";
import type { Layer } from "../integer/layers.ts";
import { type Asked, findMethod, withSettings } from "../methods/index.ts";
import type { LayerMethod, ModuleMethod, Network, Settings, Site } from "../methods/method.ts";
import { sharedCosts } from "./costs.ts";
import { matchTargets } from "./patterns.ts";
import type { PlanSpec } from "./plan-spec.ts";

export interface ChosenLayer {
  layer: Layer;
  method: LayerMethod;
  settings: Settings;
}

export interface ChosenSite {
  site: Site;
  method: ModuleMethod;
  settings: Settings;
}

/** How much each output channel of a layer matters, [O], by the layer's name. */
export type Importance = ReadonlyMap<string, Float32Array>;

export interface ChoiceOptions {
  /** Patterns of layer names; without them each method takes its own. @see matchTargets */
  targets?: readonly string[];
  importance?: Importance;
}

/**
 * Which layers and sites the methods take, each with its settings.
 * @throws NOTHING_TO_TRAIN when one of the methods finds none
 */
export function choose(network: Network, methods: readonly Asked[], options: ChoiceOptions = {}): PlanSpec {
  const { targets, importance } = options;
  return methods.flatMap(({ method, settings }): PlanSpec => {
    const matching = <T extends Layer | Site>(found: readonly T[], layers: readonly Layer[]) =>
      targets ? matchTargets(targets, found, layers) : found;
    const found =
      method.kind === "layer"
        ? settled(
            method,
            settings,
            matching(method.targets(network.layers, settings), network.layers),
            network,
            importance,
          )
        : matching(method.sites(network, settings), network.layers).map(({ name }) => ({ at: name, settings }));
    if (found.length > 0) return found.map((each) => ({ method: method.name, ...each }));
    throw new LichenError("NOTHING_TO_TRAIN", {
      at: `method ${method.name}`,
      found: targets ? `nothing that matches ${targets.join(", ")}` : "no layer that it could change",
      wanted: `one of ${network.layers.map(({ name }) => name).join(", ")}`,
    });
  });
}

function settled(
  method: LayerMethod,
  settings: Settings,
  layers: readonly Layer[],
  network: Network,
  importance?: Importance,
): { at: string; settings: Settings }[] {
  if (method.allot && importance) {
    const allotted = method.allot(layers, settings, { importance, costs: sharedCosts(layers, network.type) });
    return layers.flatMap(({ name }, at) => (allotted[at] ? [{ at: name, settings: allotted[at] }] : []));
  }
  return layers.map((layer, at) => ({
    at: layer.name,
    settings:
      method.settle?.(layer, settings, { at, of: layers.length, importance: importance?.get(layer.name) ?? null }) ??
      settings,
  }));
}

/** The spec with names looked up. @throws UNKNOWN_METHOD, BAD_ARGUMENT, NOTHING_TO_TRAIN for a layer that is not there */
export function resolve(spec: PlanSpec, network: Network): { layers: ChosenLayer[]; sites: ChosenSite[] } {
  const layers: ChosenLayer[] = [];
  const sites: ChosenSite[] = [];
  const byName = new Map(network.layers.map((layer) => [layer.name, layer]));
  for (const { method: name, at, settings: given } of spec) {
    const { method, settings } = withSettings(findMethod(name), given);
    if (method.kind === "layer") {
      const layer = byName.get(at);
      if (!layer) throw missing(name, at, [...byName.keys()]);
      layers.push({ layer, method, settings });
    } else {
      const found = method.sites(network, settings);
      const site = found.find((each) => each.name === at);
      if (!site)
        throw missing(
          name,
          at,
          found.map((each) => each.name),
        );
      sites.push({ site, method, settings });
    }
  }
  return { layers, sites };
}

const missing = (method: string, at: string, known: readonly string[]): LichenError =>
  new LichenError("NOTHING_TO_TRAIN", { at: `method ${method}`, found: `no ${at}`, wanted: known.join(", ") });
