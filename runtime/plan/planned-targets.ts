import type { Parameter } from "../methods/method.ts";
import { elementCount } from "../onnx/tensor.ts";
import type { Plan } from "./plan.ts";

/** What a plan trains at one place. */
export interface PlannedTarget {
  /** A layer, or a place for a module. */
  at: string;
  methods: readonly string[];
  parameters: number;
}

/** What a plan trains, modules first, layers in network order. */
export function plannedTargets({ targets, modules }: Plan): PlannedTarget[] {
  const size = (parameters: readonly Parameter[]) => parameters.reduce((sum, { dims }) => sum + elementCount(dims), 0);
  return [
    ...modules.map(({ site, method, parameters }) => ({
      at: site.name,
      methods: [method.name],
      parameters: size(parameters),
    })),
    ...targets.map(({ layer, parts }) => ({
      at: layer.name,
      methods: parts.map(({ method }) => method.name),
      parameters: size(parts.flatMap(({ parameters }) => parameters)),
    })),
  ];
}
