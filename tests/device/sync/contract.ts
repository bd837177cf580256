import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createSync,
  type Offer,
  type Sync,
  type SyncConfig,
  type SyncPorts,
  TIMING,
} from "../../../device/sync/index.ts";
import { sha256Of } from "../../../fleet/protocol/blocks.ts";
import { encode, type Manifest } from "../../../fleet/protocol/messages.ts";
import { blobName, topicOf } from "../../../fleet/protocol/topics.ts";

/** A broker that tests may take away: on loopback, and again on the same port where one is given. */
export interface BrokerDriver {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

const FLEET = "meadow";
const BASE = { id: "spoken-digits", version: "1.0.0", sha256: "ab".repeat(32) };
const FAST = {
  ...TIMING,
  reconnect: { firstMs: 20, mostMs: 200 },
  requestMs: 500,
  hold: { firstMs: 50, mostMs: 200 },
};
const ARRIVAL = { timeout: 15_000, interval: 10 };

interface Board {
  readonly sync: Sync;
  readonly shelf: Map<string, Uint8Array>;
  readonly received: Manifest[];
}

/** What every broker must make possible. */
export function syncContract(
  name: string,
  start: (options: { port: number }) => Promise<BrokerDriver>,
  protocol: "3.1.1" | "5",
): void {
  describe(`sync over ${name}`, () => {
    let broker: BrokerDriver;
    let folder: string;
    const boards = new Set<Sync>();
    const clients = new Set<MqttClient>();

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "lichen sync "));
      broker = await start({ port: 0 });
    });

    afterEach(async () => {
      await Promise.all([...boards].map((sync) => sync.stop()));
      boards.clear();
      await Promise.all([...clients].map((client) => client.endAsync(true)));
      clients.clear();
      await broker.stop();
      await rm(folder, { recursive: true, force: true });
    });

    function board(device: string, change: Partial<SyncConfig> = {}, ports: Partial<SyncPorts> = {}): Board {
      const shelf = new Map<string, Uint8Array>();
      const received: Manifest[] = [];
      const config = {
        broker: broker.url,
        fleet: FLEET,
        device,
        blockBytes: 64,
        publish: true,
        accept: true,
        ...change,
      };
      const sync = createSync(
        config,
        {
          base: BASE,
          softwareVersion: "0.1.0",
          readAdapter: async (sha256) => shelf.get(sha256),
          wants: ({ sha256 }) => !shelf.has(sha256),
          receive: async (bytes, manifest) => {
            shelf.set(manifest.sha256, bytes.slice());
            received.push(manifest);
          },
          directory: join(folder, device),
          log: pino({ level: "silent" }),
          random: Math.random,
          nowMs: Date.now,
          ...ports,
        },
        FAST,
      );
      boards.add(sync);
      return { sync, shelf, received };
    }

    async function started(...args: Parameters<typeof board>): Promise<Board> {
      const made = board(...args);
      await made.sync.start();
      return made;
    }

    async function observer(): Promise<MqttClient> {
      const client = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
      client.on("error", () => undefined);
      clients.add(client);
      return client;
    }

    const connected = ({ sync }: Board) => vi.waitFor(() => expect(sync.status().connected).toBe(true), ARRIVAL);
    const holds = ({ shelf }: Board, { sha256 }: Offer, bytes: Uint8Array) =>
      vi.waitFor(() => expect(sha256Of(shelf.get(sha256) ?? new Uint8Array())).toBe(sha256Of(bytes)), ARRIVAL);

    test(`a connection speaks MQTT ${protocol}, the newest that the broker knows`, async () => {
      const a = await started("a");
      await connected(a);
      expect(a.sync.status()).toMatchObject({ protocol, broker: broker.url });
    });

    test("an offered adapter arrives whole at another device, with its manifest", async () => {
      const a = await started("a");
      const b = await started("b");
      const [bytes, offer] = adapterOf(40_000);
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      await holds(b, offer, bytes);
      expect(b.received).toEqual([{ ...offer, v: 1, publisher: "a", version: 1, blockBytes: 64, base: BASE }]);
      expect(a.sync.status().offer).toEqual({ sha256: offer.sha256, version: 1, announced: true });
      expect(b.sync.status().bytesReceived).toBeGreaterThan(40_000);
      expect(a.sync.status().bytesSent).toBeGreaterThan(40_000);
      await vi.waitFor(() => expect(b.sync.status().transfer).toBeNull(), ARRIVAL);
    });

    test("a device that comes later hears of the adapter from the broker", async () => {
      const a = await started("a");
      const [bytes, offer] = adapterOf(1000);
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      await vi.waitFor(() => expect(a.sync.status().offer?.announced).toBe(true), ARRIVAL);
      await holds(await started("b"), offer, bytes);
    });

    test("a broker that is not there at the start is waited for, and what was offered meanwhile is delivered", async () => {
      const { port } = broker;
      await broker.stop();
      const a = await started("a");
      const b = await started("b");
      const [bytes, offer] = adapterOf(1000);
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      a.sync.publishResult({ label: "seven", confidence: 0.9, adapter: null, input: "x.wav" });
      await vi.waitFor(() => expect(a.sync.status().lastError?.code).toBe("BROKER_UNREACHABLE"), ARRIVAL);
      expect(a.sync.status()).toMatchObject({ connected: false, results: { queued: 1, dropped: 0 } });
      broker = await start({ port });
      await holds(b, offer, bytes);
      await vi.waitFor(() => expect(a.sync.status().results.queued).toBe(0), ARRIVAL);
    });

    test("an offer outlives a restart of the device before it could be announced", async () => {
      const { port } = broker;
      await broker.stop();
      const [bytes, offer] = adapterOf(1000);
      const before = await started("a");
      await before.sync.offer(offer);
      await before.sync.stop();
      broker = await start({ port });
      const after = board("a");
      after.shelf.set(offer.sha256, bytes);
      await after.sync.start();
      await holds(await started("b"), offer, bytes);
    });

    test("a broker that dies in mid-transfer delays the adapter and no more", async () => {
      const { port } = broker;
      const [bytes, offer] = adapterOf(64 * 400);
      const a = await started("a");
      const b = await started("b");
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      await vi.waitFor(() => expect(b.sync.status().transfer?.received).toBeGreaterThan(32), {
        ...ARRIVAL,
        interval: 1,
      });
      await broker.stop();
      await vi.waitFor(() => expect(b.sync.status()).toMatchObject({ connected: false, transfer: null }), ARRIVAL);
      expect(b.received).toEqual([]);
      broker = await start({ port });
      await holds(b, offer, bytes);
    });

    test("a receiver that stops in mid-transfer goes on where it was", async () => {
      const [bytes, offer] = adapterOf(64 * 400);
      const asked: number[] = [];
      const spy = await observer();
      spy.on("message", (_topic, payload) => asked.push(...JSON.parse(payload.toString()).blocks));
      await spy.subscribeAsync(`lichen/v1/${FLEET}/devices/a/requests`);
      const a = await started("a");
      const before = await started("b");
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      await vi.waitFor(() => expect(before.sync.status().transfer?.received).toBeGreaterThan(64), {
        ...ARRIVAL,
        interval: 1,
      });
      await before.sync.stop();
      const b = await started("b");
      await holds(b, offer, bytes);
      // At most the window that was under way is asked for again.
      await vi.waitFor(() => expect(new Set(asked).size).toBe(400), ARRIVAL);
      expect(asked.length).toBeLessThanOrEqual(400 + 16);
    });

    test("a publisher that goes away in mid-transfer is waited for", async () => {
      const [bytes, offer] = adapterOf(64 * 400);
      const before = await started("a");
      const b = await started("b");
      before.shelf.set(offer.sha256, bytes);
      await before.sync.offer(offer);
      await vi.waitFor(() => expect(b.sync.status().transfer?.received).toBeGreaterThan(16), {
        ...ARRIVAL,
        interval: 1,
      });
      await before.sync.stop();
      await vi.waitFor(() => expect(b.sync.status()).toMatchObject({ connected: true, transfer: null }), ARRIVAL);
      const a = board("a");
      a.shelf.set(offer.sha256, bytes);
      await a.sync.start();
      await holds(b, offer, bytes);
    });

    test("a block that was tampered with spoils nothing but time", async () => {
      const [bytes, offer] = adapterOf(64 * 5);
      let lies = 1;
      const spoilt = bytes.slice();
      spoilt[100]! ^= 1;
      await started("a", {}, { readAdapter: async () => (lies-- > 0 ? spoilt : bytes) }).then((a) =>
        a.sync.offer(offer),
      );
      const b = await started("b");
      await holds(b, offer, bytes);
      expect(lies).toBeLessThan(0);
      expect(b.received).toHaveLength(1);
    });

    test("blocks of foreign lengths and numbers are dropped", async () => {
      const [bytes, offer] = adapterOf(64 * 5);
      const a = await started("a");
      let release: () => void = () => undefined;
      const ready = new Promise<Uint8Array>((resolve) => {
        release = () => resolve(bytes);
      });
      const b = await started("b");
      const slow = await started("slow", {}, { readAdapter: () => ready });
      await slow.sync.offer(offer);
      await vi.waitFor(() => expect(b.sync.status().transfer?.publisher).toBe("slow"), ARRIVAL);
      const spy = await observer();
      const blob = blobName(offer.sha256);
      for (const [index, payload] of [
        [0, Buffer.alloc(63)],
        [4, Buffer.alloc(0)],
        [5, Buffer.alloc(64)],
        [9_999_999, Buffer.alloc(64)],
      ] as const) {
        await spy.publishAsync(topicOf({ channel: "blocks", fleet: FLEET, device: "b", blob, index }), payload, {
          qos: 1,
        });
      }
      await vi.waitFor(() => expect(b.sync.status().badMessages).toBe(4), ARRIVAL);
      expect(b.sync.status().transfer?.received).toBe(0);
      release();
      await vi.waitFor(() => expect(b.received).toHaveLength(1), ARRIVAL);
      expect(a.sync.status().connected).toBe(true);
    });

    test("a delivery that fails is repeated without a second download", async () => {
      const [bytes, offer] = adapterOf(640);
      const read = vi.fn(async () => bytes);
      const c = await started("c", {}, { readAdapter: read });
      await c.sync.offer(offer);
      const receive = vi.fn<SyncPorts["receive"]>().mockRejectedValueOnce(new Error("disk full")).mockResolvedValue();
      await started("b", {}, { receive });
      await vi.waitFor(() => expect(receive).toHaveBeenCalledTimes(2), ARRIVAL);
      expect(receive.mock.calls.map(([found]) => sha256Of(found))).toEqual([offer.sha256, offer.sha256]);
      expect(read).toHaveBeenCalledTimes(1);
    });

    test("an adapter for another base is left alone", async () => {
      const [bytes, offer] = adapterOf(1000);
      const stranger = await started("stranger", {}, { base: { ...BASE, sha256: "cd".repeat(32) } });
      stranger.shelf.set(offer.sha256, bytes);
      await stranger.sync.offer(offer);
      const b = await started("b");
      const [ours, fitting] = adapterOf(1000);
      const a = await started("a");
      a.shelf.set(fitting.sha256, ours);
      await a.sync.offer(fitting);
      await holds(b, fitting, ours);
      expect(b.received.map(({ sha256 }) => sha256)).toEqual([fitting.sha256]);
    });

    test("an offer that the device cannot judge is left alone, and the others go on", async () => {
      const [, odd] = adapterOf(100);
      const [bytes, offer] = adapterOf(100);
      const wants = vi.fn(({ sha256 }: Manifest) => {
        if (sha256 === odd.sha256) throw new Error("unforeseen");
        return sha256 === offer.sha256;
      });
      const b = await started("b", {}, { wants });
      await (await started("x")).sync.offer(odd);
      await vi.waitFor(() => expect(wants).toHaveBeenCalled(), ARRIVAL);
      const a = await started("a");
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      await holds(b, offer, bytes);
    });

    test("garbage on every topic is dropped and counted, and the next adapter still arrives", async () => {
      const b = await started("b");
      await connected(b);
      const spy = await observer();
      const at = (channel: "state" | "adapter", device: string) => topicOf({ channel, fleet: FLEET, device });
      const mine = (channel: "requests" | "answers") => topicOf({ channel, fleet: FLEET, device: "b" });
      const [, offer] = adapterOf(100);
      const misplaced: Manifest = { ...offer, v: 1, publisher: "y", version: 1, blockBytes: 64, base: BASE };
      const garbage: [string, string | Buffer][] = [
        [at("state", "x"), "{"],
        [at("adapter", "x"), randomBytes(300)],
        [at("adapter", "x"), JSON.stringify({ ...misplaced, publisher: "x", bytes: 2 ** 40 })],
        [at("adapter", "x"), Buffer.from(encode("adapter", misplaced))],
        [at("adapter", "b"), "[]"],
        [mine("requests"), "null"],
        [
          mine("requests"),
          JSON.stringify({ v: 1, id: "r", from: "#", sha256: offer.sha256, blockBytes: 64, blocks: [0] }),
        ],
        [mine("answers"), Buffer.alloc(20_000, "x")],
      ];
      for (const [topic, payload] of garbage) await spy.publishAsync(topic, payload, { qos: 1 });
      await vi.waitFor(() => expect(b.sync.status().badMessages).toBe(garbage.length), ARRIVAL);
      const [bytes, next] = adapterOf(500);
      const a = await started("a");
      a.shelf.set(next.sha256, bytes);
      await a.sync.offer(next);
      await holds(b, next, bytes);
    });

    test("the fleet sees a device come, change its adapter, and go", async () => {
      const spy = await observer();
      const states: { status: string; adapter: string | null }[] = [];
      spy.on("message", (_topic, payload) => states.push(JSON.parse(payload.toString())));
      await spy.subscribeAsync(topicOf({ channel: "state", fleet: FLEET, device: "a" }), { qos: 1 });
      const seen = (last: object) => vi.waitFor(() => expect(states.at(-1)).toMatchObject(last), ARRIVAL);
      const a = await started("a");
      await seen({ status: "online", adapter: null, base: BASE, software: "0.1.0" });
      a.sync.publishState({ adapter: "ef".repeat(32) });
      await seen({ status: "online", adapter: "ef".repeat(32) });
      await a.sync.stop();
      await seen({ status: "offline" });
    });

    test("results reach the fleet in their order, past one that cannot be said", async () => {
      const spy = await observer();
      const labels: string[] = [];
      spy.on("message", (_topic, payload) => labels.push(JSON.parse(payload.toString()).label));
      await spy.subscribeAsync(topicOf({ channel: "results", fleet: FLEET, device: "a" }), { qos: 1 });
      const a = await started("a");
      for (const label of ["one", "x".repeat(201), "two", "three"])
        a.sync.publishResult({ label, confidence: 1, adapter: null });
      await vi.waitFor(() => expect(labels).toEqual(["one", "two", "three"]), ARRIVAL);
    });

    test("an offer that was taken back is not fetched by who comes later, not even past a restart of the publisher", async () => {
      const a = await started("a");
      const [bytes, offer] = adapterOf(5000);
      const [laterBytes, later] = adapterOf(500);
      a.shelf.set(offer.sha256, bytes);
      await a.sync.offer(offer);
      await vi.waitFor(() => expect(a.sync.status().offer?.announced).toBe(true), ARRIVAL);
      await a.sync.stop();
      await a.sync.withdraw();
      expect(a.sync.status().offer).toBeNull();

      const witness = await observer();
      const heard: number[] = [];
      witness.on("message", (_, payload) => heard.push(payload.length));
      await witness.subscribeAsync(topicOf({ channel: "adapter", fleet: FLEET, device: "a" }), { qos: 1 });
      await vi.waitFor(() => expect(heard).toHaveLength(1), ARRIVAL);
      const again = await started("a");
      await vi.waitFor(() => expect(heard.at(-1)).toBe(0), ARRIVAL);

      const b = await started("b");
      again.shelf.set(offer.sha256, bytes);
      again.shelf.set(later.sha256, laterBytes);
      await again.sync.offer(later);
      await holds(b, later, laterBytes);
      expect(b.received.map(({ sha256, version }) => [sha256, version])).toEqual([[later.sha256, 2]]);
    });

    test("a device that lost its outbox counts its versions on from the broker's", async () => {
      const first = await started("a");
      const [, one] = adapterOf(100);
      const [, two] = adapterOf(100);
      await first.sync.offer(one);
      await first.sync.offer(two);
      await vi.waitFor(() => expect(first.sync.status().offer).toMatchObject({ version: 2, announced: true }), ARRIVAL);
      await first.sync.stop();
      const again = await started("a", {}, { directory: join(folder, "new card") });
      await connected(again);
      const [, three] = adapterOf(100);
      await again.sync.offer(three);
      await vi.waitFor(() => expect(again.sync.status().offer).toMatchObject({ version: 3, announced: true }), ARRIVAL);
    });
  });
}

function adapterOf(bytes: number): [bytes: Uint8Array, offer: Offer] {
  const content = new Uint8Array(randomBytes(bytes));
  return [
    content,
    {
      sha256: sha256Of(content),
      bytes,
      method: "head+bias",
      accuracy: { before: 0.7, after: 0.97 },
      samples: 100,
      parents: [],
    },
  ];
}
