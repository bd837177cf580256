import type { Graph, ValueName } from "../onnx/graph.ts";
import { type ActivationScale, activationScale, type Range } from "./parameters.ts";
import type { Plan } from "./plan.ts";

/**
 * A scale for every quantized value. What is joined has one scale together, so that joining is copying; but a value that ends a clip
 * whose bounds the common range would lose keeps its own, and is brought to the common one by the kernel that joins.
 * @param ranges of the values that are computed, by origin
 */
export function activationScales(
  graph: Graph,
  { treatments, origins, clips }: Plan,
  ranges: ReadonlyMap<ValueName, Range>,
): ReadonlyMap<ValueName, ActivationScale> {
  const groups = new Map<ValueName, Group>();
  for (const origin of new Set(origins.values())) {
    groups.set(origin, { range: ranges.get(origin)!, clip: clips.get(origin), members: [origin] });
  }
  for (const node of graph.nodes) {
    const treatment = treatments.get(node)!;
    if (treatment.tag !== "joins") continue;
    const output = groups.get(node.outputs[0]!)!;
    const inputs = [...new Set(node.inputs.map((name) => groups.get(origins.get(name)!)!))];
    const range = inputs.map((group) => group.range).reduce(union);
    const joined = [output, ...inputs.filter(({ clip }) => keepsClip(range, clip))];
    const least = joined.flatMap(({ clip }) => (clip === undefined ? [] : [clip]));
    const group: Group = {
      range,
      clip: least.length > 0 ? Math.min(...least) : undefined,
      members: joined.flatMap(({ members }) => members),
    };
    for (const member of group.members) groups.set(member, group);
  }
  const scales = new Map<Group, ActivationScale>();
  return new Map(
    [...origins].map(([value, origin]) => {
      const group = groups.get(origin)!;
      const scale = scales.get(group) ?? activationScale(group.range);
      scales.set(group, scale);
      return [value, scale];
    }),
  );
}

interface Group {
  range: Range;
  /** The upper end that the range must not pass where it stands for a clip from zero; its lower end is zero then. */
  clip: number | undefined;
  members: readonly ValueName[];
}

const keepsClip = ({ min, max }: Range, clip: number | undefined): boolean =>
  clip === undefined || (min >= 0 && max <= clip);

const union = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });
