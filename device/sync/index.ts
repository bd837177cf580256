import { join } from "node:path";
import { type DeviceState, decode, encode, type Result } from "../../fleet/protocol/messages.ts";
import {
  type Address,
  type Channel,
  deviceFilter,
  fleetFilter,
  parseTopic,
  topicOf,
} from "../../fleet/protocol/topics.ts";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import { nodeDisk } from "../disk/disk.ts";
import { type Connection, withoutSecrets } from "./connection.ts";
import { createFetcher } from "./fetch.ts";
import { createLink } from "./link.ts";
import { createOffers } from "./offers.ts";
import { createOutbox } from "./outbox.ts";
import { createPartials } from "./partials.ts";
import { createResultQueue } from "./results.ts";
import { createServer } from "./serve.ts";
import { type Sync, type SyncConfig, type SyncPorts, type SyncTiming, TIMING } from "./sync.ts";

export type { Manifest } from "../../fleet/protocol/messages.ts";
export type { Transfer } from "./fetch.ts";
export {
  type Offer,
  type Sync,
  type SyncConfig,
  type SyncPorts,
  type SyncStatus,
  type SyncTiming,
  TIMING,
} from "./sync.ts";

/** Blocks on their way at once, and results kept while there is no connection. */
const WINDOW = 16;
const RESULTS = 1000;

/** @throws BAD_NAME when fleet or device cannot be part of a topic, BAD_MESSAGE when the base cannot be said. */
export function createSync(config: SyncConfig, ports: SyncPorts, timing: SyncTiming = TIMING): Sync {
  const { fleet, device, broker, username, password } = config;
  const { log, base } = ports;
  const offers = createOffers({ device, baseSha256: base.sha256 });
  const outbox = createOutbox(ports.directory, nodeDisk);
  const results = createResultQueue(RESULTS);
  const topics = {
    state: topicOf({ channel: "state", fleet, device }),
    adapter: topicOf({ channel: "adapter", fleet, device }),
    results: topicOf({ channel: "results", fleet, device }),
  };
  let adapter: string | null = null;
  let announced = 0;
  let badMessages = 0;
  let draining = false;
  let stopping = false;

  const state = (status: DeviceState["status"]): Uint8Array =>
    encode("state", { v: 1, status, base, adapter, software: ports.softwareVersion });
  // A mistake in the base shows now, not at the first connection.
  state("offline");

  const link = createLink({
    options: () => ({
      ...{ broker, username, password },
      clientId: `lichen-${fleet}-${device}`,
      timeoutMs: timing.connectMs,
      keepaliveSeconds: timing.keepaliveSeconds,
      will: { topic: topics.state, payload: state("offline") },
    }),
    backoff: timing.reconnect,
    leaveMs: timing.leaveMs,
    up: onUp,
    message: onMessage,
    down(error) {
      announced = 0;
      log.info({ code: error.code, detail: error.message }, "no connection to the broker");
      fetcher.wake();
    },
    random: ports.random,
    nowMs: ports.nowMs,
  });

  const server = createServer({
    fleet,
    device,
    readAdapter: ports.readAdapter,
    connection: link.connection,
    failed: (error, request) => log.warn({ err: error, peer: request.from }, "a request for blocks was not met"),
  });

  const fetcher = createFetcher({
    fleet,
    device,
    offers,
    partials: createPartials(join(ports.directory, "partial")),
    window: WINDOW,
    requestMs: timing.requestMs,
    hold: timing.hold,
    connection: link.connection,
    wants(manifest) {
      try {
        return ports.wants(manifest);
      } catch (error) {
        log.error({ err: error, sha256: manifest.sha256 }, "an offer could not be judged");
        return false;
      }
    },
    receive: ports.receive,
    failed: (error, { sha256, publisher }) =>
      log.warn({ code: errorCode(error), err: error, sha256, publisher }, "an offered adapter could not be had yet"),
    random: ports.random,
    nowMs: ports.nowMs,
  });

  function onUp(connection: Connection): void {
    log.info({ broker: withoutSecrets(broker), protocol: link.status().protocol }, "connected to the broker");
    const filters = [
      ...(config.publish ? [deviceFilter(fleet, device, "requests"), fleetFilter(fleet, "adapter")] : []),
      ...(config.accept
        ? [
            deviceFilter(fleet, device, "answers"),
            deviceFilter(fleet, device, "blocks"),
            fleetFilter(fleet, "state"),
            fleetFilter(fleet, "adapter"),
          ]
        : []),
    ];
    // Heard first, so that an own manifest from before a loss of the disk is known before a new one replaces it.
    if (filters.length > 0) tried("subscribe", connection.subscribe([...new Set(filters)]));
    sendState();
    announce();
    drainResults();
    fetcher.wake();
  }

  /** Whatever comes in, nothing is thrown out: the sender is not here to catch it. */
  function onMessage(topic: string, payload: Uint8Array): void {
    const address = parseTopic(topic);
    if (address === undefined || address.fleet !== fleet) return;
    // A cleared retained message is empty: it takes something back, and says nothing.
    if (payload.length === 0 && address.channel !== "blocks") {
      if (address.channel === "adapter") offers.withdrawn(address.device);
      return;
    }
    try {
      HANDLERS[address.channel](address, payload, topic);
    } catch (error) {
      badMessages++;
      log.warn({ code: errorCode(error), detail: String(error), topic }, "a message was dropped");
    }
  }

  const HANDLERS: Record<Channel, (address: Address, payload: Uint8Array, topic: string) => void> = {
    state(address, payload, topic) {
      const { status } = decode("state", payload, topic);
      // The Will of a connection that died late can overwrite the state of the one that replaced it.
      if (address.device !== device) offers.presence(address.device, status);
      else if (status === "offline" && !stopping) sendState();
      fetcher.wake();
    },
    adapter(address, payload, topic) {
      const manifest = decode("adapter", payload, topic);
      if (manifest.publisher !== address.device) throw misplaced(topic, manifest.publisher, address.device);
      if (address.device === device) {
        tried(
          "outbox",
          outbox.observe(manifest).then((changed) => (changed ? announce() : undefined)),
        );
        return;
      }
      if (!config.accept) return;
      const reason = offers.heard(manifest);
      log.debug({ publisher: manifest.publisher, sha256: manifest.sha256, reason }, "an adapter is offered");
      fetcher.wake();
    },
    results: () => undefined,
    requests(address, payload, topic) {
      if (address.device === device && config.publish) server.answer(decode("requests", payload, topic));
    },
    answers(address, payload, topic) {
      if (address.device === device) fetcher.refused(decode("answers", payload, topic));
    },
    blocks(address, payload) {
      if (address.channel === "blocks" && address.device === device)
        fetcher.block(address.blob, address.index, payload);
    },
  };

  function sendState(): void {
    const connection = link.connection();
    if (connection) tried("state", connection.publish(topics.state, state("online"), true));
  }

  function announce(): void {
    const manifest = outbox.manifest();
    const connection = link.connection();
    if (!config.publish || connection === undefined) return;
    if (manifest === null) {
      if (outbox.mustTakeBack()) tried("withdrawal", connection.publish(topics.adapter, new Uint8Array(), true));
      return;
    }
    const sent = connection.publish(topics.adapter, encode("adapter", manifest), true).then(() => {
      if (link.connection() === connection) announced = manifest.version;
    });
    tried("manifest", sent);
  }

  function drainResults(): void {
    if (draining) return;
    draining = true;
    tried(
      "results",
      drain().finally(() => {
        draining = false;
      }),
    );
  }

  async function drain(): Promise<void> {
    for (;;) {
      const result = results.first();
      const connection = link.connection();
      if (result === undefined || connection === undefined) return;
      const payload = sayable(result);
      if (payload !== undefined) await connection.publish(topics.results, payload, false);
      results.remove(result);
    }
  }

  /** One that cannot be said, such as a label that is too long, must not block those behind it. */
  function sayable(result: Result): Uint8Array | undefined {
    try {
      return encode("results", result);
    } catch (error) {
      log.warn({ code: errorCode(error), detail: String(error) }, "a result was not published");
      return undefined;
    }
  }

  /** What fails with the connection is done again at the next one. */
  function tried(what: string, work: Promise<unknown>): void {
    work.catch((error) => log.debug({ what, code: errorCode(error), detail: String(error) }, "not done yet"));
  }

  return {
    async start() {
      stopping = false;
      for (const damage of await outbox.start()) log.error({ code: damage.code, detail: damage.message }, "outbox");
      if (config.accept) fetcher.start();
      link.start();
    },
    async stop() {
      stopping = true;
      server.stop();
      await fetcher.stop();
      await link.stop((connection) => connection.publish(topics.state, state("offline"), true));
    },
    async offer(offer) {
      if (!config.publish) return;
      const { blockBytes } = config;
      await outbox.put({ ...offer, v: 1, publisher: device, blockBytes, base });
      announce();
    },
    async withdraw() {
      await outbox.clear();
      announce();
    },
    publishState(reported) {
      adapter = reported.adapter;
      sendState();
    },
    publishResult(result) {
      // A softmax in float32 may end a rounding step above one.
      results.push({ ...result, confidence: Math.min(1, result.confidence) });
      drainResults();
    },
    status() {
      const manifest = outbox.manifest();
      return {
        broker: withoutSecrets(broker),
        ...link.status(),
        offer: manifest && {
          sha256: manifest.sha256,
          version: manifest.version,
          announced: announced === manifest.version,
        },
        transfer: fetcher.transfer(),
        results: results.status(),
        badMessages,
      };
    },
  };
}

const misplaced = (at: string, found: string, wanted: string) =>
  new LichenError("BAD_MESSAGE", { at: `${at}: publisher`, found, wanted });
