import { connectAsync } from "mqtt";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { mqttSourceSchema } from "../../../device/sources/config.ts";
import { mqttSource } from "../../../device/sources/mqtt.ts";
import type { Inference, Sink } from "../../../device/sources/source.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { encodeWav } from "../../../runtime/signal/wav.ts";
import { startBroker } from "../../../scripts/broker.ts";
import { silent } from "../fixtures.ts";

const ANSWER: Inference = { label: "one", confidence: 1, probabilities: {}, adapter: null, milliseconds: 1 };
const WAV = Buffer.from(encodeWav({ sampleRateHz: 8000, channels: [new Float32Array(100)] }));
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 2, 0xff, 0xd9]);
const TIMING = { connectMs: 2000, keepaliveSeconds: 30, reconnect: { firstMs: 20, mostMs: 100 }, leaveMs: 500 };
const ARRIVAL = { timeout: 10_000, interval: 10 };

async function broker(port = 0) {
  const started = await startBroker({ port });
  onTestFinished(() => started.stop());
  return started;
}

async function publisher(url: string) {
  const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
  client.on("error", () => undefined);
  onTestFinished(() => client.endAsync(true));
  return (topic: string, payload: Buffer) => client.publishAsync(topic, payload, { qos: 1 });
}

function source(url: string, topics: object[], change: object = {}) {
  const sink = {
    sample: vi.fn<Sink["sample"]>(async () => {}),
    infer: vi.fn<Sink["infer"]>(async () => ANSWER),
  };
  const made = mqttSource({
    config: mqttSourceSchema.parse({ kind: "mqtt", name: "cam", broker: url, topics, ...change }),
    device: "board",
    labels: ["one", "two"],
    clock: systemClock,
    log: silent,
    random: Math.random,
    timing: TIMING,
  });
  onTestFinished(() => made.stop());
  const connected = () => vi.waitFor(() => expect(made.health?.().state).toBe("running"), ARRIVAL);
  return { made, sink, connected };
}

test("a message is a file: inferred, stored under the rule's class, or under the class that the topic names", async () => {
  const { url } = await broker();
  const { made, sink, connected } = source(url, [
    { topic: "line/inbox" },
    { topic: "line/good/#", label: "one" },
    { topic: "line/+/parts/{label}" },
  ]);
  await made.start(sink);
  await connected();
  const publish = await publisher(url);
  await publish("line/inbox", WAV);
  await publish("line/good/a/b", JPEG);
  await publish("line/7/parts/two", WAV);
  await vi.waitFor(() => expect(made.counts()).toEqual({ accepted: 2, inferred: 1, rejected: 0 }), ARRIVAL);
  expect(sink.infer).toHaveBeenCalledWith({ bytes: WAV, name: "cam-1.wav", at: "cam: line/inbox" });
  expect(sink.sample.mock.calls.map(([{ name }, label]) => [name, label])).toEqual([
    ["cam-2.jpg", "one"],
    ["cam-3.wav", "two"],
  ]);
});

test("a sample is acknowledged only when it is stored: what came while the disk was full comes again", async () => {
  const { url } = await broker();
  const { made, sink, connected } = source(url, [{ topic: "parts/{label}" }]);
  sink.sample.mockRejectedValueOnce(new LichenError("STORAGE_FAILED"));
  await made.start(sink);
  await connected();
  await (await publisher(url))("parts/one", WAV);
  await vi.waitFor(() => expect(made.counts().accepted).toBe(1), ARRIVAL);
  expect(sink.sample).toHaveBeenCalledTimes(2);
  expect(made.health?.()).toMatchObject({ starts: 2, problem: { message: expect.stringContaining("STORAGE_FAILED") } });
});

test("what came while the board was away is kept by the broker", async () => {
  const { url } = await broker();
  const first = source(url, [{ topic: "parts/{label}" }]);
  await first.made.start(first.sink);
  await first.connected();
  const publish = await publisher(url);
  await publish("parts/two", WAV);
  await vi.waitFor(() => expect(first.made.counts().accepted).toBe(1), ARRIVAL);
  await first.made.stop();
  await publish("parts/one", JPEG);
  const second = source(url, [{ topic: "parts/{label}" }]);
  await second.made.start(second.sink);
  await vi.waitFor(() => expect(second.sink.sample).toHaveBeenCalledWith(expect.anything(), "one"), ARRIVAL);
});

test("what is refused is counted, acknowledged and over; what finds no place in the queue is skipped", async () => {
  const { url } = await broker();
  const { made, sink, connected } = source(url, [{ topic: "in" }, { topic: "parts/{label}" }]);
  sink.infer.mockRejectedValueOnce(new LichenError("BAD_SAMPLE")).mockRejectedValueOnce(new LichenError("QUEUE_FULL"));
  sink.sample.mockRejectedValueOnce(new LichenError("UNKNOWN_CLASS"));
  await made.start(sink);
  await connected();
  const publish = await publisher(url);
  for (const topic of ["in", "in", "parts/three", "in"]) await publish(topic, Buffer.from("not a file"));
  await publish("in", Buffer.alloc(0));
  await vi.waitFor(() => expect(made.counts()).toEqual({ accepted: 0, inferred: 1, rejected: 2 }), ARRIVAL);
  expect(made.health?.()).toMatchObject({ state: "running", starts: 1, skipped: 1 });
});

test("a message that is far too big does not even come in, and those after it do", async () => {
  const { url } = await broker();
  const { made, sink, connected } = source(url, [{ topic: "in" }], { maxBytes: 2048 });
  await made.start(sink);
  await connected();
  const publish = await publisher(url);
  await publish("in", Buffer.alloc(3_000_000));
  await vi.waitFor(() => expect(made.health?.().starts).toBeGreaterThan(1), ARRIVAL);
  expect(made.health?.().problem?.message).toContain("a packet of more than");
  await vi.waitFor(async () => {
    await publish("in", WAV);
    expect(made.counts().inferred).toBeGreaterThan(0);
  }, ARRIVAL);
  expect(sink.infer.mock.calls.every(([{ bytes }]) => bytes.length === WAV.length)).toBe(true);
});

test("a broker that vanishes is waited for", async () => {
  const first = await startBroker({ port: 0 });
  const { made, sink, connected } = source(first.url, [{ topic: "in" }]);
  await made.start(sink);
  await connected();
  await first.stop();
  await vi.waitFor(
    () => expect(made.health?.()).toMatchObject({ state: "waiting", problem: { code: "BROKER_UNREACHABLE" } }),
    ARRIVAL,
  );
  await broker(first.port);
  await connected();
  await vi.waitFor(async () => {
    await (await publisher(first.url))("in", WAV);
    expect(made.counts().inferred).toBeGreaterThan(0);
  }, ARRIVAL);
});

test("topics are checked before anything starts", () => {
  const parse = (topic: string) => mqttSourceSchema.safeParse({ kind: "mqtt", topics: [{ topic }] }).success;
  for (const good of ["a", "a/b", "+", "#", "a/+/c/#", "{label}", "a/{label}/c", "/a", "a//b"])
    expect(parse(good)).toBe(true);
  for (const bad of ["", "a/#/b", "a+", "a#", "x{label}", "{label}/{label}", "a\0b"]) expect(parse(bad)).toBe(false);
  expect(() => source("mqtt://x", [{ topic: "a", label: "three" }])).toThrow(/UNKNOWN_CLASS/);
  expect(() => source("mqtt://x", [{ topic: "a" }], { broker: undefined })).toThrow(/BAD_CONFIG/);
});
