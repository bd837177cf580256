import fc from "fast-check";
import { expect, test } from "vitest";
import { believed } from "../../../device/labels/confidence.ts";
import { labelsConfig, ruleConfig } from "../../../device/labels/config.ts";
import { labelsFor } from "../../../device/labels/rule.ts";
import { bytesOf } from "../fixtures.ts";

const rule = ruleConfig.parse({ topic: "plc/+/gate", field: "door.open", payload: "^true$", label: "one", seconds: 5 });
const samples = [
  { sha256: "before the start", arrivedMs: null },
  { sha256: "long ago", arrivedMs: 4_999 },
  { sha256: "just so", arrivedMs: 5_000 },
  { sha256: "now", arrivedMs: 10_000 },
  { sha256: "after", arrivedMs: 10_001 },
];
const message = (payload: string, topic = "plc/7/gate", retained = false) => ({
  topic,
  payload: bytesOf(payload),
  retained,
});
const labelled = (...given: Parameters<typeof message>) =>
  labelsFor(rule, message(...given), samples, 10_000).map(({ sha256 }) => sha256);

test("a message that a rule means labels the samples of its last seconds, and no others", () => {
  expect(labelled('{"door":{"open":true}}')).toEqual(["just so", "now"]);
});

test.each([
  ["another value", '{"door":{"open":false}}'],
  ["no such field", '{"door":{}}'],
  ["a field that is an object", '{"door":{"open":{}}}'],
  ["inherited fields", '{"door":"open"}'],
  ["no JSON", "true"],
  ["nothing", ""],
  ["another topic", '{"door":{"open":true}}', "plc/7/gate/x"],
  ["what the broker kept", '{"door":{"open":true}}', "plc/7/gate", true],
] as const)("%s labels nothing", (_, payload, topic?: string, retained?: boolean) => {
  expect(labelled(payload, topic, retained)).toEqual([]);
});

test("without a field the payload itself is matched, and what is no text never", () => {
  const plain = ruleConfig.parse({ topic: "#", payload: "^NOK", label: "one", seconds: 5 });
  expect(labelsFor(plain, message("NOK 17"), samples, 10_000)).toHaveLength(2);
  const payload = new Uint8Array([0x4e, 0x4f, 0x4b, 0xff]);
  expect(labelsFor(plain, { topic: "a", payload, retained: false }, samples, 10_000)).toEqual([]);
  expect(labelsFor(plain, message(`NOK${" ".repeat(5000)}`), samples, 10_000)).toEqual([]);
});

test("whatever comes, a rule answers", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), fc.boolean(), (payload, topic, retained) => {
      expect(labelsFor(rule, { payload, topic, retained }, samples, 10_000)).toEqual([]);
    }),
  );
});

test("the model labels what it is surer of than it must be, and only where somebody wants that", () => {
  const policy = { min: 0.9, margin: 0.5 };
  expect(believed({ one: 0.05, two: 0.95 }, policy)).toBe("two");
  expect(believed({ one: 0.05, two: 0.95 }, undefined)).toBe(null);
  expect(believed({ one: 0.11, two: 0.89 }, policy)).toBe(null);
  // Of independent classes several may be certain.
  expect(believed({ one: 0.6, two: 0.95 }, policy)).toBe(null);
  expect(believed({ one: 1 }, policy)).toBe("one");
  expect(believed({}, policy)).toBe(null);
});

test.each([
  [{ rules: [{ ...rule }] }, "mqtt"],
  [{ mqtt: { broker: "mqtt://h" }, rules: [{ ...rule, payload: "(" }] }, "rules.0.payload"],
  [{ mqtt: { broker: "mqtt://h" }, rules: [{ ...rule, topic: "a/#/b" }] }, "rules.0.topic"],
  [{ mqtt: { broker: "mqtt://h" }, rules: [{ ...rule, topic: "a+/b" }] }, "rules.0.topic"],
  [{ mqtt: { broker: "http://h" } }, "mqtt.broker"],
  [{ confidence: { min: 2 } }, "confidence.min"],
])("a mistake in the configuration is found at its key", (config, at) => {
  expect(labelsConfig.safeParse(config).error?.issues[0]?.path.join(".")).toBe(at);
});
