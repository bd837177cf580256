import { memoryUsage, uptime } from "node:process";
import type { Status } from "../api/schemas.ts";
import type { MetricsFacts, ModelFacts } from "./metrics.ts";

/** What metrics tell of a board, from what its models' status says. */
export const metricsFacts = (
  statuses: readonly (readonly [name: string, status: Status])[],
  temperatureCelsius: number | null,
  nowMs: number,
): MetricsFacts => {
  const [, first] = statuses[0]!;
  const { user, system } = process.cpuUsage();
  return {
    device: first.device,
    version: first.version,
    models: statuses.map(([name, status]) => modelFacts(name, status)),
    temperatureCelsius,
    problems: statuses.reduce((sum, [, { problems }]) => sum + problems.length, 0),
    process: {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: memoryUsage.rss(),
      startSeconds: Math.round(nowMs / 1000 - uptime()),
    },
  };
};

function modelFacts(name: string, status: Status): ModelFacts {
  const { adapter, samples, round } = status;
  const { p50Ms, p95Ms, p99Ms } = status.inference.latency;
  const known = p50Ms !== null && p95Ms !== null && p99Ms !== null;
  return {
    name,
    inferences: status.inferences,
    latency: known ? { p50: p50Ms, p95: p95Ms, p99: p99Ms } : null,
    samplesPerClass: samples.perClass,
    sampleBytes: samples.bytes,
    newSamples: samples.new,
    sources: status.sources,
    roundState: round.state,
    adapterVersion: adapter.version,
    adapter: adapter.serving,
  };
}
