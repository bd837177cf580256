import { expect, test } from "vitest";
import { parse } from "yaml";
import { exampleConfig } from "../../../device/config/example.ts";
import { configKeys } from "../../../device/config/keys.ts";
import { parseConfig } from "../../../device/config/load.ts";
import { withoutSecrets } from "../../../device/config/secrets.ts";

test("every key says what it means, but for sections and what tells entries of a list apart", () => {
  const silent = configKeys().filter(({ meaning, type, name }) => {
    return meaning === "" && type !== "section" && !name.endsWith(".kind");
  });
  expect(silent.map(({ name }) => name)).toEqual([]);
});

test("keys know their type, default and whether they are needed", () => {
  const key = (name: string) => configKeys().find((one) => one.name === name);
  expect(key("model")).toMatchObject({ isRequired: true, type: "text" });
  expect(key("training.minNewSamples")).toMatchObject({ default: 20, isRequired: false });
  expect(key("log.format")).toMatchObject({ default: "text", type: "one of text, json" });
  expect(key("sources[command].argv")?.meaning).toContain("program");
});

test("the example is a valid configuration that says nothing but what holds anyway", () => {
  const text = exampleConfig();
  expect(Object.keys(parse(text))).toEqual(["model"]);
  expect(parseConfig(text, "/x.yml")).toEqual(parseConfig("model: models/spoken-digits\n", "/x.yml"));
});

test("with its sections and defaults uncommented it still is", () => {
  const lines = exampleConfig().split("\n");
  const uncommented = lines.filter(
    (line) => /^# *(\w+:( .*)?)$/.test(line) && !/^# (http|mqtt|results|watch)/.test(line),
  );
  const defaults = uncommented.filter((line) => /^# \w+: /.test(line)).map((line) => line.slice(2));
  expect(defaults.length).toBeGreaterThan(2);
  expect(parseConfig(`model: m\n${defaults.join("\n")}\n`, "/x.yml")).toEqual(parseConfig("model: m\n", "/x.yml"));
});

test("secrets are hidden, by their key and in addresses, and nothing else is", () => {
  expect(
    withoutSecrets({
      mqtt: { broker: "mqtt://me:very secret@host:1883", username: "me", password: "a" },
      http: [{ token: "b", port: 80 }],
      device: "token",
    }),
  ).toEqual({
    mqtt: { broker: "mqtt://me:very secret@host:1883", username: "me", password: "(hidden)" },
    http: [{ token: "(hidden)", port: 80 }],
    device: "token",
  });
  expect(withoutSecrets("mqtts://me:s3cr:t@host/x")).toBe("mqtts://me:(hidden)@host/x");
});
