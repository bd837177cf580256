import { expect, test } from "vitest";
import { parseConfig } from "../../../device/config/load.ts";
import { reload } from "../../../device/operation/reload.ts";

const config = (text: string) => parseConfig(text, "/etc/lichen/lichen.yml");
const changed = (before: string, after: string) => reload(config(before), config(after));

test("an unchanged file changes nothing", () => {
  const before = config("model: m\n");
  expect(reload(before, config("model: m\n"))).toEqual({ config: before, applied: [], waiting: [] });
});

test("what a round is told, the log's level and the governor hold at once", () => {
  const {
    config: now,
    applied,
    waiting,
  } = changed(
    "model: m\n",
    "model: m\nlog: {level: debug}\ntraining: {minNewSamples: 7}\ngate: {minHeldOut: 9}\ngovernor: {mainsOnly: true}\n",
  );
  expect(applied).toEqual(["gate.minHeldOut", "governor.mainsOnly", "log.level", "training.minNewSamples"]);
  expect(waiting).toEqual([]);
  expect(now).toEqual(
    config(
      "model: m\nlog: {level: debug}\ntraining: {minNewSamples: 7}\ngate: {minHeldOut: 9}\ngovernor: {mainsOnly: true}\n",
    ),
  );
});

test("what opens something waits for a restart, and the old value stays", () => {
  const before = "model: m\nwatch: {folder: a}\n";
  const {
    config: now,
    applied,
    waiting,
  } = changed(before, "model: n\nwatch: {folder: b}\nmqtt: {broker: 'mqtt://x', fleet: f}\ngate: {minHeldOut: 9}\n");
  expect(applied).toEqual(["gate.minHeldOut"]);
  expect(waiting).toEqual(["model", "mqtt", "watch.folder"]);
  expect(now).toEqual(config(`${before}gate: {minHeldOut: 9}\n`));
});

test("of several models each has its own keys; one more, or one less, waits", () => {
  const {
    config: now,
    applied,
    waiting,
  } = changed(
    "models: {a: {model: m}, b: {model: n}}\n",
    "models: {a: {model: m, gate: {minHeldOut: 9}}, c: {model: o}}\n",
  );
  expect(applied).toEqual(["models.a.gate.minHeldOut"]);
  expect(waiting).toEqual(["models.b", "models.c"]);
  expect(now.stations.map(({ name, gate }) => [name, gate.minHeldOut])).toEqual([
    ["a", 9],
    ["b", 5],
  ]);
});

test("a key that is taken out of the file is its default again", () => {
  const { config: now, applied } = changed("model: m\ntraining: {epochs: 3}\n", "model: m\n");
  expect(applied).toEqual(["training.epochs"]);
  expect(now.stations[0]?.training.epochs).toBeUndefined();
});
