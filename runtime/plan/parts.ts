import type { Layer } from "../integer/layers.ts";
import type { LayerMethod, LayerParameter, ModuleMethod, Parameter, Settings, Site } from "../methods/method.ts";

/** One method's part in a layer. */
export interface LayerPart {
  method: LayerMethod;
  settings: Settings;
  /** Named within the layer; those that another method claimed first are left out. */
  parameters: readonly LayerParameter[];
}

/** A layer that is adapted, by one method or by several side by side. */
export interface Target {
  layer: Layer;
  parts: readonly LayerPart[];
}

/** A module that stands at a site. */
export interface Module {
  site: Site;
  method: ModuleMethod;
  settings: Settings;
  parameters: readonly Parameter[];
}

/** A parameter's full name: that of its layer or site, and its own. */
export const parameterName = (at: { name: string }, name: string): string => `${at.name}/${name}`;
