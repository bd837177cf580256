import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test, vi } from "vitest";
import { stringify } from "yaml";
import { type Status, statusSchema } from "../../../device/api/schemas.ts";
import { createClient } from "../../../device/cli/client.ts";
import { systemClock } from "../../../device/clock.ts";
import { parseConfig } from "../../../device/config/load.ts";
import { createDaemon } from "../../../device/daemon.ts";
import { nodeDisk } from "../../../device/disk/disk.ts";
import { loadEngine } from "../../../device/engine.ts";
import type { Verdict } from "../../../device/governor/govern.ts";
import { nodeSystem } from "../../../device/governor/system.ts";
import { createResults } from "../../../device/inference/results.ts";
import { createStation } from "../../../device/station.ts";
import { startBroker } from "../../../scripts/broker.ts";
import { silent, temporaryFolder } from "../fixtures.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const RECORDINGS = join(ROOT, "scripts/demo/recordings/board-b/test");
const WAIT = { timeout: 18_000, interval: 20 };
const TIMING = { connectMs: 2000, keepaliveSeconds: 30, reconnect: { firstMs: 20, mostMs: 100 }, leaveMs: 500 };

const noRound = () => {
  throw new Error("no round was to run");
};

/** A daemon in this process, with the real model: all but rounds, which never start. */
async function daemonWith(keys: object) {
  const folder = await temporaryFolder();
  const file = join(folder, "lichend.yaml");
  const config = parseConfig(stringify({ device: "box", model: join(ROOT, "models/spoken-digits"), ...keys }), file);
  const [own] = config.stations;
  if (own === undefined) throw new Error("a configuration without a model");
  const waits: Verdict = {
    tag: "wait",
    reasons: [{ code: "TOO_FEW_NEW_SAMPLES", found: "none", wanted: "20", againMs: null }],
    againMs: null,
  };
  const station = createStation(own, {
    device: "box",
    models: ["main"],
    elsewhere: () => null,
    engine: await loadEngine(own.model, 1),
    jobs: { run: noRound, endStrays: async () => {} },
    governor: { decide: async () => waits, explain: async () => waits },
    system: nodeSystem(),
    wattsPerCore: 1,
    disk: nodeDisk,
    clock: systemClock,
    log: silent,
    random: Math.random,
    softwareVersion: "0",
    ...(config.results && {
      results: (of) =>
        createResults({
          ...{ ...of, config: config.results!, device: "box", disk: nodeDisk, clock: systemClock, log: silent },
          ...{ random: Math.random, softwareVersion: "0", timing: TIMING },
        }),
    }),
  });
  const daemon = createDaemon({
    socket: config.socket,
    ...(config.http && { http: config.http }),
    stations: [station],
    clock: systemClock,
    log: silent,
  });
  return {
    folder,
    start: async () => {
      onTestFinished(() => daemon.stop());
      await daemon.start();
    },
    status: (): Promise<Status> => createClient(config.socket).get("/v1/status", statusSchema),
    url: () => `http://127.0.0.1:${daemon.address()?.port}`,
  };
}

const sources = async (status: () => Promise<Status>) =>
  Object.fromEntries((await status()).sources.map((source) => [source.name, source]));

async function recordings() {
  const labels = (await readdir(RECORDINGS)).sort();
  return Promise.all(
    labels.map(async (label) => {
      const [name] = (await readdir(join(RECORDINGS, label))).sort();
      return { label, bytes: await readFile(join(RECORDINGS, label, name!)) };
    }),
  );
}

test("a program, a broker and HTTP bring sound in at once, and the answers go out to whoever listens", async () => {
  const broker = await startBroker({ port: 0 });
  onTestFinished(() => broker.stop());
  const listening = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
  listening.on("error", () => undefined);
  onTestFinished(() => listening.endAsync(true));
  const heard: { label: string; source: string; adapter: null }[] = [];
  listening.on("message", (_, payload) => void heard.push(JSON.parse(payload.toString())));
  await listening.subscribeAsync("lichen/results/box/main/result", { qos: 1 });

  const { folder, start, status, url } = await daemonWith({
    http: { port: 0 },
    results: { broker: broker.url },
    sources: [
      {
        kind: "command",
        name: "microphone",
        argv: [process.execPath, "cat.mjs", "spoken"],
        stream: "wav",
        again: "failure",
      },
      { kind: "mqtt", name: "far", broker: broker.url, topics: [{ topic: "sounds" }, { topic: "labelled/{label}" }] },
    ],
  });
  const all = await recordings();
  await mkdir(join(folder, "spoken"));
  await Promise.all(all.map(({ bytes }, at) => writeFile(join(folder, "spoken", `${at}.wav`), bytes)));
  await writeFile(
    join(folder, "cat.mjs"),
    `import fs from "node:fs";
     for (const name of fs.readdirSync("spoken").sort()) fs.writeSync(1, fs.readFileSync("spoken/" + name));`,
  );
  await start();

  // One recording behind the other on one pipe: each is heard as if it had come alone.
  await vi.waitFor(async () => expect((await sources(status)).microphone?.state).toBe("stopped"), WAIT);
  // One by one: all at once they find the line full.
  const alone: unknown[] = [];
  for (const { bytes } of all) alone.push((await post(`${url()}/v1/infer`, bytes)).label);
  await vi.waitFor(() => expect(heard.filter(({ source }) => source === "microphone")).toHaveLength(all.length), WAIT);
  expect(heard.filter(({ source }) => source === "microphone").map(({ label }) => label)).toEqual(alone);
  expect(alone.filter((label, at) => label === all[at]!.label).length).toBeGreaterThanOrEqual(all.length / 2);

  // What was asked over HTTP is told as well.
  await vi.waitFor(() => expect(heard.filter(({ source }) => source === "http")).toHaveLength(all.length), WAIT);

  const stored = await post(`${url()}/v1/samples?label=${all[0]!.label}`, all[0]!.bytes);
  expect(stored).toMatchObject({ schema: "lichen/stored/1", results: [{ file: "file.wav", label: all[0]!.label }] });
  await vi.waitFor(async () => expect((await sources(status)).far?.state).toBe("running"), WAIT);
  await listening.publishAsync("sounds", all[1]!.bytes, { qos: 1 });
  await listening.publishAsync(`labelled/${all[1]!.label}`, all[1]!.bytes, { qos: 1 });
  await listening.publishAsync("labelled/eleven", all[1]!.bytes, { qos: 1 });
  await vi.waitFor(
    async () => expect((await sources(status)).far).toMatchObject({ accepted: 1, inferred: 1, rejected: 1 }),
    WAIT,
  );

  const { samples, inference, results } = await status();
  expect(samples.total).toBe(2);
  expect(inference.latency.count).toBe(2 * all.length + 1);
  expect(inference.latency.p99Ms).toBeGreaterThan(0);
  expect(inference.queue).toMatchObject({ waiting: 0, dropped: 0, bound: 32 });
  expect(results).toMatchObject({ connected: true, dropped: 0 });
});

test("a flood over HTTP is turned away in part, and the program beside it is not", async () => {
  const { folder, start, status, url } = await daemonWith({
    http: { port: 0, maxUploads: 64 },
    inference: { queue: { bound: 4 } },
    sources: [
      { kind: "command", name: "microphone", argv: [process.execPath, "loop.mjs"], stream: "wav", again: "failure" },
    ],
  });
  const { bytes } = (await recordings())[0]!;
  await writeFile(join(folder, "x.wav"), bytes);
  await writeFile(
    join(folder, "loop.mjs"),
    `import fs from "node:fs"; for (let n = 0; n < 12; n++) fs.writeSync(1, fs.readFileSync("x.wav"));`,
  );
  await start();
  let refused = 0;
  let isOver = false;
  const flooding = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const answer = await post(`${url()}/v1/infer`, bytes);
        if (answer.code === "QUEUE_FULL") refused++;
      }
    }),
  );
  onTestFinished(() => {
    isOver = true;
  });
  await vi.waitFor(async () => expect((await sources(status)).microphone?.state).toBe("stopped"), WAIT);
  isOver = true;
  await flooding;
  expect((await sources(status)).microphone).toMatchObject({ inferred: 12, skipped: 0, rejected: 0 });
  expect(refused).toBeGreaterThan(0);
});

test("a camera's stream of pictures is looked at by a model that sees, and one picture is labelled over HTTP", async () => {
  const { folder, start, status, url } = await daemonWith({
    model: join(ROOT, "models/ten-objects"),
    http: { port: 0 },
    sources: [
      {
        kind: "command",
        name: "camera",
        argv: [process.execPath, "camera.mjs"],
        stream: "jpeg",
        everyMs: 50,
        again: "failure",
      },
    ],
  });
  const { default: sharp } = await import("sharp");
  const picture = await sharp({ create: { width: 120, height: 90, channels: 3, background: "#36a" } })
    .jpeg()
    .toBuffer();
  await writeFile(join(folder, "x.jpg"), picture);
  await writeFile(
    join(folder, "camera.mjs"),
    `import fs from "node:fs";
     let n = 0;
     const timer = setInterval(() => { process.stdout.write(fs.readFileSync("x.jpg")); if (++n === 30) clearInterval(timer); }, 10);`,
  );
  await start();
  await vi.waitFor(async () => {
    const { camera } = await sources(status);
    expect(camera).toMatchObject({ state: "stopped", problem: null, rejected: 0 });
    expect(camera!.inferred + camera!.skipped!).toBeGreaterThanOrEqual(29);
    expect(camera!.inferred).toBeGreaterThan(1);
  }, WAIT);
  const [label] = (await status()).model.labels;
  expect(await post(`${url()}/v1/samples?label=${label}`, picture)).toMatchObject({
    results: [{ file: "file.jpg", label }],
  });
  expect((await status()).samples.perClass[label!]).toBe(1);
});

const post = async (url: string, body: Buffer): Promise<Record<string, unknown>> =>
  (await (await fetch(url, { method: "POST", body: new Uint8Array(body) })).json()) as Record<string, unknown>;
