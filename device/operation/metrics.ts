import type { MetricsConfig } from "./config.ts";
import { exposition, type Family, type Sample } from "./exposition.ts";

/** What is measured of one model of the board. */
export interface ModelFacts {
  readonly name: string;
  readonly inferences: number;
  /** In milliseconds; null before the first inference, or where none are kept. */
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number } | null;
  readonly samplesPerClass: Readonly<Record<string, number>>;
  readonly sampleBytes: number;
  readonly newSamples: number;
  readonly sources: readonly {
    readonly name: string;
    readonly accepted: number;
    readonly inferred: number;
    readonly rejected: number;
  }[];
  /** `running`, or why none runs. */
  readonly roundState: string;
  readonly adapterVersion: number;
  readonly adapter: string | null;
}

export interface MetricsFacts {
  readonly device: string;
  readonly version: string;
  readonly models: readonly ModelFacts[];
  /** null: the board has no sensor that says so. */
  readonly temperatureCelsius: number | null;
  readonly problems: number;
  readonly process: {
    readonly cpuSeconds: number;
    readonly residentBytes: number;
    /** Since 1970 by the board's clock, which may be wrong. */
    readonly startSeconds: number;
  };
}

/** The board in Prometheus' text format. @see https://prometheus.io/docs/practices/naming/ */
export const metricsText = (facts: MetricsFacts, config: MetricsConfig): string => exposition(families(facts, config));

type Row = readonly [name: string, type: Family["type"], help: string, samples: readonly Sample[]];

function families(facts: MetricsFacts, config: MetricsConfig): Family[] {
  const { models, process, temperatureCelsius } = facts;
  /** One row for each model, or several. */
  const each = (samples: (model: ModelFacts) => readonly Sample[]): Sample[] =>
    models.flatMap((model) =>
      samples(model).map((sample) => ({ ...sample, labels: { model: model.name, ...sample.labels } })),
    );
  const one = (value: (model: ModelFacts) => number) => each((model) => [{ value: value(model) }]);

  const rows: readonly Row[] = [
    [
      "lichen_info",
      "gauge",
      "Always 1; the labels say what runs.",
      [{ labels: { device: facts.device, version: facts.version }, value: 1 }],
    ],
    ["lichen_problems", "gauge", "What went wrong and was got over, as in lichen status.", [{ value: facts.problems }]],
    ["lichen_inferences_total", "counter", "Inferences since the start.", one(({ inferences }) => inferences)],
    ["lichen_inference_seconds", "summary", "Time from a file to its result, of the last inferences.", each(latencies)],
    ["lichen_samples", "gauge", "Labelled samples kept.", each((model) => samples(model, config))],
    ["lichen_sample_bytes", "gauge", "Bytes of the samples kept.", one(({ sampleBytes }) => sampleBytes)],
    ["lichen_new_samples", "gauge", "Samples that no round has seen yet.", one(({ newSamples }) => newSamples)],
    ["lichen_source_files_total", "counter", "What sources delivered since the start.", each(sources)],
    [
      "lichen_round_state",
      "gauge",
      "1 for the state: running, or the reason why no round runs.",
      each(({ roundState }) => [{ labels: { state: roundState }, value: 1 }]),
    ],
    [
      "lichen_adapter_version",
      "gauge",
      "Grows with every change of what serves; the label is its sha256, empty for the bare base.",
      each(({ adapterVersion, adapter }) => [{ labels: { adapter: adapter ?? "" }, value: adapterVersion }]),
    ],
    [
      "lichen_temperature_celsius",
      "gauge",
      "Of the processor.",
      temperatureCelsius === null ? [] : [{ value: temperatureCelsius }],
    ],
    ["process_cpu_seconds_total", "counter", "Processor time of the daemon.", [{ value: process.cpuSeconds }]],
    ["process_resident_memory_bytes", "gauge", "Memory of the daemon.", [{ value: process.residentBytes }]],
    ["process_start_time_seconds", "gauge", "Start of the daemon, since 1970.", [{ value: process.startSeconds }]],
  ];
  return rows.map(([name, type, help, samples]) => ({ name, type, help, samples }));
}

function latencies({ latency, inferences }: ModelFacts): Sample[] {
  if (latency === null) return [];
  const { p50, p95, p99 } = latency;
  const quantile = (quantile: string, milliseconds: number) => ({ labels: { quantile }, value: milliseconds / 1000 });
  return [quantile("0.5", p50), quantile("0.95", p95), quantile("0.99", p99), { suffix: "_count", value: inferences }];
}

function samples({ samplesPerClass }: ModelFacts, { maxClasses }: MetricsConfig): Sample[] {
  const classes = Object.entries(samplesPerClass);
  if (classes.length > maxClasses) return [{ value: classes.reduce((sum, [, count]) => sum + count, 0) }];
  return classes.map(([label, value]) => ({ labels: { class: label }, value }));
}

const sources = (model: ModelFacts): Sample[] =>
  model.sources.flatMap(({ name, accepted, inferred, rejected }) =>
    Object.entries({ accepted, inferred, rejected }).map(([result, value]) => ({
      labels: { source: name, result },
      value,
    })),
  );
