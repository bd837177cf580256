import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadConfig, parseConfig } from "../../../device/config/load.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { temporaryFolder } from "../fixtures.ts";

const refusal = (text: string) => {
  try {
    parseConfig(text, "/etc/lichen/board.yaml");
  } catch (error) {
    if (error instanceof LichenError) return error;
  }
  throw new Error("it was accepted");
};

test("paths are relative to the file, spaces and all, and defaults are filled in", () => {
  const config = parseConfig("model: ../my models/digits\nwatch: {folder: in}", "/etc/my board/lichen.yaml");
  const [main] = config.stations;
  expect(main).toMatchObject({ name: "main", model: "/etc/my models/digits", data: "/etc/my board/data" });
  expect(main!.watch).toMatchObject({ folder: "/etc/my board/in", stableMs: 300 });
  expect(config.socket).toBe("/etc/my board/data/lichend.sock");
  expect(main!.training.method).toBe("head+bias");
  expect(config.mqtt).toBeUndefined();
});

test("several models have names, and folders below the board's", () => {
  const text = "models:\n  ears: {model: digits, threads: 2}\n  eyes: {model: objects, watch: {folder: in}}\n";
  const { stations } = parseConfig(text, "/etc/lichen.yaml");
  expect(stations).toMatchObject([
    { name: "ears", model: "/etc/digits", data: "/etc/data/ears", threads: 2 },
    { name: "eyes", model: "/etc/objects", data: "/etc/data/eyes", watch: { folder: "/etc/in" } },
  ]);
});

test.each([
  [
    "an unknown key, with the line and the nearest known one",
    "model: m\ntraining:\n  epoch: 3\n",
    "board.yaml:3: training.epoch; found an unknown key; wanted epochs",
  ],
  [
    "an unknown key before what it leaves missing",
    "modl: m\n",
    "board.yaml:1: modl; found an unknown key; wanted model",
  ],
  [
    "an unknown key that is near nothing",
    "model: m\nsamples: {zzz: 1}\n",
    "samples.zzz; found an unknown key; wanted one of maxBytes",
  ],
  [
    "a wrong type",
    "model: m\ntraining: {epochs: many}\n",
    'board.yaml:2: training.epochs; found "many"; wanted number',
  ],
  ["a missing key", "device: a\n", "model; found nothing; wanted string"],
  ["a broker that is no address", "model: m\nmqtt:\n  broker: over there\n  fleet: f\n", "board.yaml:3: mqtt.broker"],
  ["a name that cannot stand in a topic", "model: m\ndevice: a/b\n", 'device; found "a/b"'],
  [
    "an unknown key of one of several models, with the nearest known one",
    "models:\n  ears:\n    modl: m\n",
    "board.yaml:3: models.ears.modl; found an unknown key; wanted model",
  ],
  ["a model beside several", "model: m\nmodels: {ears: {model: m}}\n", "board.yaml:1: model; found an unknown key"],
  ["a name that cannot be one of a folder", "models: {../x: {model: m}}\n", "models.../x"],
  ["several models that are none", "models: {}\n", "models; found {}; wanted at least one model"],
  [
    "aligning with a method that cannot",
    "model: m\ntraining:\n  align: true\n  method: head+bias\n",
    'board.yaml:4: training.method; found "head+bias"; wanted one that trains biases with factors or weights',
  ],
  ["broken YAML", "model: [\n", "board.yaml:"],
  ["a list instead of keys", "- model\n", "the whole file"],
])("refuses %s", (_, text, wanted) => {
  const error = refusal(text);
  expect(error.code).toBe("BAD_CONFIG");
  expect(error.message).toContain(wanted);
});

test("a file that is not there is refused by name", async () => {
  const path = join(await temporaryFolder(), "none.yaml");
  await expect(loadConfig(path)).rejects.toMatchObject({ code: "BAD_CONFIG", details: { at: path, found: "ENOENT" } });
});

test("any text gives a configuration or a BAD_CONFIG", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseConfig(text, "/x.yaml");
      } catch (error) {
        expect(error).toMatchObject({ code: "BAD_CONFIG" });
      }
    }),
  );
});
