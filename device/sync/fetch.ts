import {
  acceptBlock,
  blockCount,
  completeReception,
  hasBlock,
  nextBlocks,
  type Reception,
} from "../../fleet/protocol/blocks.ts";
import { type BlockAnswer, encode, type Manifest } from "../../fleet/protocol/messages.ts";
import { blobName, topicOf } from "../../fleet/protocol/topics.ts";
import { LichenError } from "../../runtime/errors.ts";
import { type Backoff, backoffMs } from "./backoff.ts";
import { createBell } from "./bell.ts";
import type { Connection } from "./connection.ts";
import type { Offers } from "./offers.ts";
import type { Partials } from "./partials.ts";

export interface FetchPorts {
  readonly fleet: string;
  readonly device: string;
  readonly offers: Offers;
  readonly partials: Partials;
  /** Blocks asked for at once. */
  readonly window: number;
  /** Silence after which a block is asked for again. */
  readonly requestMs: number;
  /** How long a blob that could not be had is left alone. */
  readonly hold: Backoff;
  connection(): Connection | undefined;
  wants(manifest: Manifest): boolean;
  receive(bytes: Uint8Array, manifest: Manifest): Promise<void>;
  failed(error: unknown, manifest: Manifest): void;
  random(): number;
  nowMs(): number;
}

export interface Transfer {
  readonly sha256: string;
  readonly publisher: string;
  readonly phase: "receiving" | "delivering";
  readonly blocks: number;
  readonly received: number;
}

/** Fetches what the fleet offers and this device wants, one adapter at a time. */
export interface Fetcher {
  start(): void;
  /** Progress is on disk when it resolves. A delivery under way is not awaited: it is repeated at the next start. */
  stop(): Promise<void>;
  /** Something changed: an offer, a connection, somebody's presence. */
  wake(): void;
  /** @throws BAD_BLOCK */
  block(blob: string, index: number, bytes: Uint8Array): void;
  refused(answer: BlockAnswer): void;
  transfer(): Transfer | null;
}

/** Requests in a row that may stay unanswered before another offer gets its turn. */
const MAX_SILENCES = 4;

interface Current {
  readonly manifest: Manifest;
  readonly reception: Reception;
  /** Blocks that came since the last save. */
  readonly fresh: number[];
  /** Devices that said they do not have it. */
  readonly without: Set<string>;
  phase: Transfer["phase"];
}

export function createFetcher(ports: FetchPorts): Fetcher {
  const bell = createBell();
  const held = new Map<string, { failures: number; untilMs: number }>();
  const delivered = new Set<string>();
  let current: Current | undefined;
  let requests = 0;
  let running: Promise<void> | undefined;
  let halt: () => void = () => undefined;
  let halted = Promise.resolve<"halted">("halted");
  let stopping = false;

  async function run(): Promise<void> {
    while (!stopping) {
      const rings = bell.rings();
      const manifest = choose();
      if (manifest === undefined) await bell.after(rings, untilNextMs());
      else await fetchOne(manifest);
    }
  }

  /** Only what can be had now: nobody is asked who is known to be away. */
  function choose(): Manifest | undefined {
    if (ports.connection() === undefined) return undefined;
    return ports.offers.all().find((manifest) => {
      const { sha256 } = manifest;
      if (delivered.has(sha256) || (held.get(sha256)?.untilMs ?? 0) > ports.nowMs()) return false;
      return ports.offers.sources(sha256).length > 0 && ports.wants(manifest);
    });
  }

  async function fetchOne(manifest: Manifest): Promise<void> {
    const { sha256 } = manifest;
    try {
      const reception = await ports.partials.open(manifest);
      current = { manifest, reception, fresh: [], without: new Set(), phase: "receiving" };
      if ((await receiveBlocks(current)) === "interrupted") return;
      if ((await deliver(current)) === "halted") return;
      delivered.add(sha256);
      held.delete(sha256);
      await ports.partials.keepOnly(new Set(ports.offers.all().map((offer) => offer.sha256)));
      await ports.partials.remove(sha256);
    } catch (error) {
      const failures = (held.get(sha256)?.failures ?? 0) + 1;
      held.set(sha256, { failures, untilMs: ports.nowMs() + backoffMs(failures, ports.random(), ports.hold) });
      ports.failed(error, manifest);
    } finally {
      current = undefined;
    }
  }

  /** Asks a window at a time, until all is there or there is nobody to ask. */
  async function receiveBlocks(transfer: Current): Promise<"whole" | "interrupted"> {
    const { manifest, reception } = transfer;
    let silences = 0;
    while (reception.missing > 0) {
      const connection = ports.connection();
      const sources = ports.offers.sources(manifest.sha256);
      if (stopping || connection === undefined || sources.length === 0) return "interrupted";
      const willing = sources.filter((source) => !transfer.without.has(source));
      if (willing.length === 0 || silences >= MAX_SILENCES) {
        const found = willing.length === 0 ? "it does not hold it any more" : `${silences} requests without an answer`;
        throw new LichenError("PEER_SILENT", { at: sources.join(", "), found, wanted: `adapter ${manifest.sha256}` });
      }
      const answered = await ask(transfer, connection, willing[silences % willing.length]!);
      silences = answered ? 0 : silences + 1;
      await save(transfer);
    }
    return "whole";
  }

  /** @returns whether any block came */
  async function ask(transfer: Current, connection: Connection, source: string): Promise<boolean> {
    const { manifest, reception } = transfer;
    const { fleet, device } = ports;
    const { sha256, blockBytes } = manifest;
    const blocks = nextBlocks(reception, ports.window);
    const before = reception.missing;
    const id = `${device
      .toLowerCase()
      .replace(/[^a-z0-9-]/g, "-")
      .slice(0, 40)}-${(requests++).toString(36)}`;
    const request = encode("requests", { v: 1, id, from: device, sha256, blockBytes, blocks });
    let rings = bell.rings();
    // A lost connection shows at the next look at it; the request is not worth an error of its own.
    void connection.publish(topicOf({ channel: "requests", fleet, device: source }), request, false).catch(bell.ring);
    let deadlineMs = ports.nowMs() + ports.requestMs;
    let missing = reception.missing;
    while (!blocks.every((index) => hasBlock(reception, index))) {
      await bell.after(rings, Math.max(0, deadlineMs - ports.nowMs()));
      rings = bell.rings();
      const gone = ports.connection() !== connection || !ports.offers.sources(sha256).includes(source);
      if (stopping || gone || transfer.without.has(source)) break;
      // Each block shows that the other side is at it: a slow line is not a silent one.
      if (reception.missing < missing) deadlineMs = ports.nowMs() + ports.requestMs;
      else if (ports.nowMs() >= deadlineMs) break;
      missing = reception.missing;
    }
    return reception.missing < before;
  }

  async function deliver(transfer: Current): Promise<"delivered" | "halted"> {
    const { manifest, reception } = transfer;
    transfer.phase = "delivering";
    let bytes: Uint8Array;
    try {
      bytes = completeReception(reception);
    } catch (error) {
      await ports.partials.remove(manifest.sha256);
      throw error;
    }
    return Promise.race([ports.receive(bytes, manifest).then(() => "delivered" as const), halted]);
  }

  async function save(transfer: Current): Promise<void> {
    const fresh = transfer.fresh.splice(0);
    if (fresh.length > 0) await ports.partials.save(transfer.reception, fresh);
  }

  function untilNextMs(): number {
    const untils = [...held.values()].map(({ untilMs }) => untilMs).filter((untilMs) => untilMs > ports.nowMs());
    return Math.min(...untils, Number.MAX_SAFE_INTEGER) - ports.nowMs();
  }

  return {
    start() {
      if (running) return;
      stopping = false;
      halted = new Promise((resolve) => {
        halt = () => resolve("halted");
      });
      running = run();
    },
    async stop() {
      stopping = true;
      halt();
      bell.ring();
      await running;
      running = undefined;
    },
    wake: () => bell.ring(),
    block(blob, index, bytes) {
      // A late block of a blob that is done with is no mistake.
      if (current === undefined || blobName(current.manifest.sha256) !== blob) return;
      if (acceptBlock(current.reception, index, bytes) === "duplicate") return;
      current.fresh.push(index);
      bell.ring();
    },
    refused(answer) {
      if (current === undefined || answer.sha256 !== current.manifest.sha256) return;
      current.without.add(answer.from);
      bell.ring();
    },
    transfer() {
      if (current === undefined) return null;
      const { manifest, reception, phase } = current;
      const blocks = blockCount(manifest);
      const { sha256, publisher } = manifest;
      return { sha256, publisher, phase, blocks, received: blocks - reception.missing };
    },
  };
}
