import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Api, decode, encode, MAX_MESSAGE_BYTES } from "../../../fleet/protocol/messages.ts";
import { LichenError } from "../../../runtime/errors.ts";

const sha256 = "ab".repeat(32);
const base = { id: "digits", version: "1.0.0", sha256 };
const SAMPLES: Api = {
  state: { v: 1, status: "online", base, adapter: null, software: "0.1.0" },
  adapter: {
    v: 1,
    publisher: "board-a",
    version: 3,
    sha256,
    bytes: 40_000,
    blockBytes: 4096,
    base,
    method: "head+bias",
    accuracy: { before: 0.7, after: 0.97 },
    samples: 100,
    parents: [sha256],
  },
  results: { v: 1, sequence: 0, label: "seven", confidence: 0.9, adapter: sha256, input: "x.wav" },
  requests: { v: 1, id: "b-1", from: "b", sha256, blockBytes: 4096, blocks: [0, 9] },
  answers: { v: 1, id: "b-1", from: "a", sha256, code: "NOT_HELD" },
};
const channels = ["state", "adapter", "results", "requests", "answers"] as const;
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe.each(channels)("a message on %s", (channel) => {
  test("comes out as it went in", () => {
    expect(decode(channel, encode(channel, SAMPLES[channel]), "topic")).toEqual(SAMPLES[channel]);
  });

  test("may carry fields of a later version, which are dropped", () => {
    expect(decode(channel, bytesOf({ ...SAMPLES[channel], later: { x: 1 } }), "topic")).toEqual(SAMPLES[channel]);
  });

  test("of another version is refused by name", () => {
    expect(() => decode(channel, bytesOf({ ...SAMPLES[channel], v: 2 }), "the/topic")).toThrow(
      /^BAD_MESSAGE: .*the\/topic: v; found 2/,
    );
  });

  test("made of anything at all gives a message or BAD_MESSAGE, nothing else", () => {
    const mutated = fc.record(
      Object.fromEntries(
        Object.entries(SAMPLES[channel]).map(([key, value]) => [key, fc.oneof(fc.constant(value), fc.jsonValue())]),
      ),
      { requiredKeys: [] },
    );
    const payload = fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.jsonValue().map(bytesOf), mutated.map(bytesOf));
    fc.assert(
      fc.property(payload, (bytes) => {
        try {
          const read = decode(channel, bytes, "topic");
          expect(decode(channel, encode(channel, read), "topic")).toEqual(read);
        } catch (error) {
          expect(error).toBeInstanceOf(LichenError);
          expect(error).toMatchObject({ code: "BAD_MESSAGE" });
        }
      }),
    );
  });
});

test.each([
  ["bytes", 64 * 1024 * 1024 + 1],
  ["blockBytes", 65_537],
  ["blockBytes", 63],
  ["publisher", "a/b"],
  ["version", 0],
  ["sha256", "AB".repeat(32)],
  ["parents", Array(65).fill(sha256)],
  ["accuracy", { before: 0, after: 2 }],
])("a manifest whose %s is out of bounds is refused, naming the field", (field, value) => {
  expect(() => decode("adapter", bytesOf({ ...SAMPLES.adapter, [field]: value }), "t")).toThrow(
    new RegExp(`^BAD_MESSAGE: .*t: ${field}`),
  );
});

test("a manifest of more blocks than a bitmap may have is refused", () => {
  const many = { ...SAMPLES.adapter, bytes: 64 * 1024 * 1024, blockBytes: 64 };
  expect(() => decode("adapter", bytesOf(many), "t")).toThrow(/^BAD_MESSAGE: .*blockBytes/);
});

test("a message that is too long is not even parsed", () => {
  expect(() => decode("state", new Uint8Array(MAX_MESSAGE_BYTES + 1), "t")).toThrow(
    /^BAD_MESSAGE: .*at most 16384 bytes/,
  );
});

test("a mistake shows at the sender", () => {
  expect(() => encode("results", { ...SAMPLES.results, confidence: Number.NaN })).toThrow(/^BAD_MESSAGE: .*confidence/);
});
