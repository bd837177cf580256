import fc from "fast-check";
import { expect, test } from "vitest";
import { metricsSchema } from "../../../device/operation/config.ts";
import { exposition } from "../../../device/operation/exposition.ts";
import { type MetricsFacts, type ModelFacts, metricsText } from "../../../device/operation/metrics.ts";

const model: ModelFacts = {
  name: "main",
  inferences: 12,
  latency: { p50: 3, p95: 5.5, p99: 9 },
  samplesPerClass: { 'a "b"\n': 2, c: 0 },
  sampleBytes: 4096,
  newSamples: 1,
  sources: [{ name: "watch", accepted: 2, inferred: 12, rejected: 0 }],
  roundState: "TOO_FEW_NEW",
  adapterVersion: 3,
  adapter: "ab",
};

const facts: MetricsFacts = {
  device: "box",
  version: "1.2.3",
  models: [model],
  temperatureCelsius: 51.5,
  problems: 0,
  process: { cpuSeconds: 1.5, residentBytes: 1e8, startSeconds: 1.8e9 },
};

const config = metricsSchema.parse({});

test("what is measured, by Prometheus' names and units", () => {
  const lines = metricsText(facts, config).split("\n");
  for (const line of [
    "# TYPE lichen_inferences_total counter",
    'lichen_inferences_total{model="main"} 12',
    "# TYPE lichen_inference_seconds summary",
    'lichen_inference_seconds{model="main",quantile="0.95"} 0.0055',
    'lichen_inference_seconds_count{model="main"} 12',
    'lichen_samples{model="main",class="a \\"b\\"\\n"} 2',
    'lichen_source_files_total{model="main",source="watch",result="inferred"} 12',
    'lichen_round_state{model="main",state="TOO_FEW_NEW"} 1',
    'lichen_adapter_version{model="main",adapter="ab"} 3',
    "lichen_temperature_celsius 51.5",
    "process_resident_memory_bytes 100000000",
  ]) {
    expect(lines).toContain(line);
  }
});

test("what the board does not have is left out, not zero", () => {
  const text = metricsText({ ...facts, temperatureCelsius: null, models: [{ ...model, latency: null }] }, config);
  expect(text).not.toContain("temperature");
  expect(text).not.toContain("inference_seconds");
});

test("a model of many classes does not make as many time series", () => {
  const samplesPerClass = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`class ${at}`, 2]));
  const text = metricsText({ ...facts, models: [{ ...model, samplesPerClass }] }, config);
  expect(text).toContain('\nlichen_samples{model="main"} 2000\n');
});

test("a family stands once, however many models there are", () => {
  const text = metricsText({ ...facts, models: [model, { ...model, name: "belt" }] }, config);
  const types = text.split("\n").filter((line) => line.startsWith("# TYPE"));
  expect(new Set(types).size).toBe(types.length);
  expect(text).toContain('lichen_inferences_total{model="belt"} 12');
});

// The grammar of the exposition format, 0.0.4.
const LINE =
  /^(# HELP [a-z_:][\w:]* [^\n]*|# TYPE [a-z_:][\w:]* (counter|gauge|summary)|[a-z_:][\w:]*(\{([a-z_]\w*="([^"\\\n]|\\[\\"n])*",?)+\})? (NaN|[+-]Inf|-?\d[\d.e+-]*))$/i;

test("any label and any number keep to the grammar, a sample a line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.double(), (text, value) => {
      const lines = exposition([
        { name: "a_total", type: "counter", help: text, samples: [{ labels: { x: text, y: text }, value }] },
      ]).split("\n");
      expect(lines.length).toBe(4);
      expect(lines.slice(0, -1).filter((line) => !LINE.test(line))).toEqual([]);
    }),
  );
});
