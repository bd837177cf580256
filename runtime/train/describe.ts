import type { AdapterDescription } from "../adapter/adapter.ts";
import type { Plan } from "../plan/plan.ts";
import type { AdaptOptions } from "./request.ts";
import type { Task } from "./task.ts";

/** What an adapter says of itself. */
export function describeAdapter(
  options: Pick<AdaptOptions, "model" | "samples" | "start" | "contributors" | "board" | "createdAt">,
  plan: Plan,
  task: Task,
  metrics: AdapterDescription["metrics"],
): AdapterDescription {
  const { card, sha256 } = options.model;
  const samplesPerClass: Record<string, number> = {};
  for (const label of options.samples.flatMap((sample) => sample.label ?? []))
    samplesPerClass[label] = (samplesPerClass[label] ?? 0) + 1;
  const layers = plan.targets.map(({ layer }) => layer.name);
  const sites = plan.modules.map(({ site }) => site.name);
  return {
    format: task.replaced ? 2 : 1,
    base: { id: card.id, version: card.version, sha256 },
    method: plan.method,
    targets: [...new Set([...layers, ...sites])],
    plan: plan.spec,
    classes: [...task.classes],
    ...(task.replaced && { replaced: true as const }),
    samplesPerClass,
    metrics,
    lineage: {
      parents: options.start ? [options.start.sha256] : [],
      contributors: [...(options.contributors ?? (options.board ? [options.board] : []))],
    },
    createdAt: options.createdAt ?? null,
    board: options.board ?? null,
  };
}
