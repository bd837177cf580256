import { LichenError } from "../errors.ts";
import { isWeighted, type Layer } from "../integer/layers.ts";
import { namePattern } from "../name-pattern.ts";
import { attribute } from "../onnx/attributes.ts";

/** Groups of layers that have a name of their own, beside `last:N` and patterns with `*`. */
const GROUPS: Readonly<Record<string, (layer: Layer) => boolean>> = {
  depthwise: (layer) => isConvolution(layer) && attribute(layer.node, "group", "int", 1) > 1,
  pointwise: (layer) => isConvolution(layer) && layer.weight!.dims.slice(2).every((size) => size === 1),
  conv: (layer) => isConvolution(layer),
  linear: (layer) => isWeighted(layer) && !isConvolution(layer),
  norm: (layer) => layer.node.opType.endsWith("Normalization"),
};

const isConvolution = ({ node }: Layer): boolean => node.opType === "Conv";

/**
 * Those of the candidates that one of the patterns names and no `!pattern` takes away: a name with `*` for anything, a group
 * (`depthwise`, `pointwise`, `conv`, `linear`, `norm`), `operator:Gemm`, or `last:N` for the last N weighted layers and what lies
 * between and behind them.
 * @throws BAD_ARGUMENT for an empty list or a count that is none
 */
export function matchTargets<T extends { name: string }>(
  patterns: readonly string[],
  candidates: readonly T[],
  layers: readonly Layer[],
): T[] {
  const wanted = patterns.filter((pattern) => !pattern.startsWith("!")).map((pattern) => matcher(pattern, layers));
  const unwanted = patterns.filter((pattern) => pattern.startsWith("!")).map((p) => matcher(p.slice(1), layers));
  return candidates.filter(
    ({ name }) => (wanted.length === 0 || wanted.some((fits) => fits(name))) && !unwanted.some((fits) => fits(name)),
  );
}

function matcher(pattern: string, layers: readonly Layer[]): (name: string) => boolean {
  const [kind, argument] = pattern.split(":", 2) as [string, string?];
  if (kind === "last" && argument !== undefined) return among(lastLayers(layers, Number(argument), pattern));
  if (kind === "operator" && argument !== undefined)
    return among(layers.filter(({ node }) => node.opType === argument));
  if (Object.hasOwn(GROUPS, pattern)) return among(layers.filter(GROUPS[pattern]!));
  return namePattern(pattern);
}

const among = (layers: readonly Layer[]): ((name: string) => boolean) => {
  const names = new Set(layers.map(({ name }) => name));
  return (name) => names.has(name);
};

function lastLayers(layers: readonly Layer[], count: number, pattern: string): Layer[] {
  if (!Number.isInteger(count) || count < 1)
    throw new LichenError("BAD_ARGUMENT", { at: "targets", found: pattern, wanted: "last:N, N from 1" });
  const first = layers.filter(isWeighted).at(-count) ?? layers[0];
  return layers.slice(first ? layers.indexOf(first) : 0);
}
