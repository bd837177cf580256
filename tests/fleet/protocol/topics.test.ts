import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Address,
  blobName,
  deviceFilter,
  fleetFilter,
  parseTopic,
  topicOf,
} from "../../../fleet/protocol/topics.ts";

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.record({
    channel: fc.constantFrom("state", "adapter", "results", "requests", "answers"),
    fleet: name,
    device: name,
  }),
  fc.record({
    channel: fc.constant("blocks" as const),
    fleet: name,
    device: name,
    blob: fc.stringMatching(/^[0-9a-f]{16}$/),
    index: fc.nat(9_999_999),
  }),
);

test("a topic that was built is read back as what it was built from, and has at most seven slashes", () => {
  fc.assert(
    fc.property(address, (given) => {
      const topic = topicOf(given);
      expect(parseTopic(topic)).toEqual(given);
      expect(topic.split("/").length - 1).toBeLessThanOrEqual(7);
    }),
  );
});

test("any other topic is none of ours, and reading it never throws", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.array(fc.constantFrom("lichen", "v1", "f", "devices", "blocks", "", "+", "0"))),
      (parts) => {
        const topic = typeof parts === "string" ? parts : parts.join("/");
        const read = parseTopic(topic);
        if (read !== undefined) expect(topicOf(read)).toBe(topic);
      },
    ),
  );
});

test.each([
  "lichen/v2/f/devices/d/state",
  "lichen/v1/f/devices/d/blocks/0123456789abcdef/01",
  "lichen/v1/f/devices/d/state/more",
  "lichen/v1/f/devices/d/toString",
  "lichen/v1/f/devices/d/blocks",
])("%s is not a topic", (topic) => {
  expect(parseTopic(topic)).toBeUndefined();
});

test.each(["", "a/b", "+", "#", "a b", "ä", "x".repeat(65)])(
  "the name %j is refused before it becomes another topic",
  (bad) => {
    expect(() => topicOf({ channel: "state", fleet: bad, device: "d" })).toThrow(/^BAD_NAME: .*fleet/);
    expect(() => deviceFilter("f", bad, "requests")).toThrow(/^BAD_NAME: .*device/);
    expect(() => fleetFilter(bad, "state")).toThrow(/^BAD_NAME/);
  },
);

test("a blob's name is the beginning of its hash", () => {
  expect(blobName("0123456789abcdef".repeat(4))).toBe("0123456789abcdef");
});
