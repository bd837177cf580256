import { elementCount } from "../onnx/tensor.ts";
import type { Plan } from "./plan.ts";

/**
 * Bytes of a plan's adapter file (safetensors: header length, header, numbers).
 * @param description what the adapter will say of itself; what adapters usually say when absent
 */
export function adapterBytes(plan: Plan, description: object = usualDescription(plan)): number {
  let offset = 0;
  const entries = [...plan.parameters]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, dims }) => {
      const begin = offset;
      offset += 4 * elementCount(dims);
      return [name, { dtype: "F32", shape: dims, data_offsets: [begin, offset] }] as const;
    });
  const header = { __metadata__: { lichen: JSON.stringify(description) }, ...Object.fromEntries(entries) };
  const headerBytes = new TextEncoder().encode(JSON.stringify(header)).length;
  return 8 + Math.ceil(headerBytes / 8) * 8 + offset;
}

/** As long as most: hashes and the plan are exact, names and measurements of the length that they tend to have. */
function usualDescription({ base, method, spec, targets, modules }: Plan): object {
  const classes = Array.from({ length: base.classes }, (_, at) => `class ${at}`);
  const score = { samples: 100, accuracy: 0.123456789012345, loss: 0.1234567890123456 };
  const metrics = { heldOut: score, rehearsal: score };
  return {
    format: 1,
    base: { id: "some-model", version: "1.0", sha256: "0".repeat(64) },
    method,
    targets: [...new Set([...targets.map(({ layer }) => layer.name), ...modules.map(({ site }) => site.name)])],
    plan: spec,
    classes,
    samplesPerClass: Object.fromEntries(classes.map((name) => [name, 10])),
    metrics: { before: metrics, after: metrics },
    lineage: { parents: [], contributors: ["board"] },
    createdAt: "2000-01-01T00:00:00.000Z",
    board: "board",
  };
}
