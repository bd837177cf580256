import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { createResults, type PlainResult } from "../../../device/inference/results.ts";
import { resultsSchema } from "../../../device/inference/results-config.ts";
import { startBroker } from "../../../scripts/broker.ts";
import { silent, temporaryFolder } from "../fixtures.ts";

const TIMING = { connectMs: 2000, keepaliveSeconds: 30, reconnect: { firstMs: 20, mostMs: 100 }, leaveMs: 500 };
const ARRIVAL = { timeout: 10_000, interval: 10 };
const RESULT: PlainResult = {
  label: "one",
  confidence: 0.75,
  probabilities: { one: 0.75, two: 0.25 },
  adapter: null,
  milliseconds: 4,
  file: "x.wav",
  source: "microphone",
};

async function broker(port = 0) {
  const started = await startBroker({ port });
  onTestFinished(() => started.stop());
  return started;
}

/** What somebody sees who subscribes to everything: the last payload of each topic, and whether the broker kept it. */
async function onlooker(url: string) {
  const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
  client.on("error", () => undefined);
  onTestFinished(() => client.endAsync(true));
  const seen = new Map<string, { text: string; retained: boolean }>();
  const order: string[] = [];
  client.on("message", (topic, payload, { retain }) => {
    seen.set(topic, { text: payload.toString(), retained: retain });
    order.push(payload.toString());
  });
  await client.subscribeAsync("#", { qos: 1 });
  return { seen, order, text: (topic: string) => seen.get(topic)?.text };
}

async function publisher(url: string, change: object = {}, folder?: string) {
  const made = createResults({
    config: resultsSchema.parse({ broker: url, ...change }),
    device: "box",
    model: { name: "main", id: "digits", version: "1.0.0", labels: ["one", "two"] },
    softwareVersion: "0.1.0",
    stateFile: join(folder ?? (await temporaryFolder()), "announced.json"),
    disk: nodeDisk,
    clock: systemClock,
    log: silent,
    random: Math.random,
    timing: TIMING,
  });
  onTestFinished(() => made.stop());
  await made.start();
  return made;
}

const RESULT_TOPIC = "lichen/results/box/main/result";
const AVAILABILITY = "lichen/results/box/main/availability";
const LABEL = "homeassistant/sensor/lichen_box_main_label/config";
const CONFIDENCE = "homeassistant/sensor/lichen_box_main_confidence/config";

test("a result is JSON on the model's topic, kept for those who come later, and nothing is announced unasked", async () => {
  const { url } = await broker();
  const made = await publisher(url);
  made.publish(RESULT);
  await vi.waitFor(() => expect(made.status()).toMatchObject({ connected: true, waiting: 0 }), ARRIVAL);
  const late = await onlooker(url);
  await vi.waitFor(() => expect(late.seen.size).toBe(2), ARRIVAL);
  expect(JSON.parse(late.text(RESULT_TOPIC)!)).toEqual({
    schema: "lichen/result/1",
    device: "box",
    model: "main",
    sequence: 0,
    ...RESULT,
  });
  expect(late.seen.get(AVAILABILITY)).toEqual({ text: "online", retained: true });
});

test("who leaves is offline, and so is who is cut off", async () => {
  const { url } = await broker();
  const watching = await onlooker(url);
  const made = await publisher(url, { retain: false });
  await vi.waitFor(() => expect(watching.text(AVAILABILITY)).toBe("online"), ARRIVAL);
  // Somebody of the same name has the broker cut this one off; it comes back.
  const twin = await connectAsync(url, { clientId: "lichen-box-main-results", clean: false, reconnectPeriod: 0 });
  twin.on("error", () => undefined);
  onTestFinished(() => twin.endAsync(true));
  await vi.waitFor(() => expect(watching.order).toEqual(["online", "offline", "online"]), ARRIVAL);
  await made.stop();
  await vi.waitFor(() => expect(watching.text(AVAILABILITY)).toBe("offline"), ARRIVAL);
});

test("Home Assistant is told on request, and what was announced is taken back when it is not wanted any more", async () => {
  const { url } = await broker();
  const folder = await temporaryFolder();
  const on = await publisher(url, { homeAssistant: { enabled: true } }, folder);
  const watching = await onlooker(url);
  await vi.waitFor(() => expect(JSON.parse(watching.text(LABEL)!).options).toEqual(["one", "two"]), ARRIVAL);
  await vi.waitFor(() => expect(watching.text(CONFIDENCE)).toContain("unit_of_measurement"), ARRIVAL);
  const late = await onlooker(url);
  await vi.waitFor(() => expect(late.seen.get(LABEL)?.retained).toBe(true), ARRIVAL);
  await on.stop();
  const off = await publisher(url, {}, folder);
  await vi.waitFor(() => expect([watching.text(LABEL), watching.text(CONFIDENCE)]).toEqual(["", ""]), ARRIVAL);
  await vi.waitFor(
    async () => expect(JSON.parse(await readFile(join(folder, "announced.json"), "utf8"))).toEqual({ topics: [] }),
    ARRIVAL,
  );
  await off.stop();
  // Once and for all: the next start has nothing to take back.
  watching.seen.clear();
  await publisher(url, {}, folder);
  await vi.waitFor(() => expect(watching.text(AVAILABILITY)).toBe("online"), ARRIVAL);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(watching.seen.has(LABEL)).toBe(false);
});

test("a model that is given up leaves nothing with the broker", async () => {
  const { url } = await broker();
  const made = await publisher(url, { homeAssistant: { enabled: true } });
  const watching = await onlooker(url);
  made.publish(RESULT);
  await vi.waitFor(() => expect(watching.text(CONFIDENCE)).toContain("Confidence"), ARRIVAL);
  await vi.waitFor(() => expect(made.status().waiting).toBe(0), ARRIVAL);
  await made.withdraw();
  await made.stop();
  const late = await onlooker(url);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([...late.seen.keys()]).toEqual([AVAILABILITY]);
});

test("while the broker is away the newest results wait, in order, and the others are counted", async () => {
  const first = await startBroker({ port: 0 });
  const made = await publisher(first.url);
  await vi.waitFor(() => expect(made.status().connected).toBe(true), ARRIVAL);
  await first.stop();
  await vi.waitFor(() => expect(made.status().connected).toBe(false), ARRIVAL);
  for (let n = 0; n < 130; n++) made.publish(RESULT);
  expect(made.status()).toMatchObject({ waiting: 100, dropped: 30 });
  await broker(first.port);
  const watching = await onlooker(first.url);
  const sequences = () =>
    watching.order.filter((text) => text.startsWith("{")).map((text) => JSON.parse(text).sequence);
  await vi.waitFor(() => expect(sequences().at(-1)).toBe(129), ARRIVAL);
  expect(sequences()).toEqual([...sequences()].sort((a, b) => a - b));
  expect(made.status()).toMatchObject({ waiting: 0, dropped: 30 });
});

test("without any broker it is a mistake in the configuration", async () => {
  await expect(publisher("", { broker: undefined })).rejects.toMatchObject({ code: "BAD_CONFIG" });
});
