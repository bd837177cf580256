import type { Logger } from "pino";
import type { Base, DeviceState, Manifest, Result } from "../../fleet/protocol/messages.ts";
import type { Backoff } from "./backoff.ts";
import type { BrokerAddress } from "./broker.ts";
import type { Transfer } from "./fetch.ts";
import type { LinkStatus } from "./link.ts";

export interface SyncConfig extends BrokerAddress {
  readonly fleet: string;
  readonly device: string;
  readonly blockBytes: number;
  /** Offer adapters to the fleet. */
  readonly publish: boolean;
  /** Fetch what the fleet offers. */
  readonly accept: boolean;
}

export interface SyncPorts {
  readonly base: Base;
  readonly softwareVersion: string;
  /** Bytes of an adapter that this device holds, for peers that ask; undefined when it holds none such. */
  readAdapter(sha256: string): Promise<Uint8Array | undefined>;
  /** The device's own judgement of an offer; base and version have been looked at. Must become false once it was received. */
  wants(manifest: Manifest): boolean;
  /** A whole adapter whose hash is right. Resolves when it is durably stored and appraised; called again later when it rejects. */
  receive(bytes: Uint8Array, manifest: Manifest): Promise<void>;
  /** For partial downloads and the outbox. */
  readonly directory: string;
  readonly log: Logger;
  random(): number;
  nowMs(): number;
}

/** What the offering device knows of its adapter; the rest of the manifest is added here. */
export type Offer = Pick<Manifest, "sha256" | "bytes" | "method" | "accuracy" | "samples" | "parents">;

export interface SyncStatus extends LinkStatus {
  readonly broker: string;
  /** What is offered, and whether the broker has taken it during this connection. */
  readonly offer: { sha256: string; version: number; announced: boolean } | null;
  readonly transfer: Transfer | null;
  readonly results: { queued: number; dropped: number };
  /** Messages that were dropped because they break the protocol. */
  readonly badMessages: number;
}

/** The device's part in its fleet. A broker that is not there is no error: everything waits, and says so in `status()`. */
export interface Sync {
  /** @throws what the disk throws when the outbox cannot be read */
  start(): Promise<void>;
  /** Takes leave, so that the fleet sees this device go; what could not be sent stays in the outbox. */
  stop(): Promise<void>;
  /** Durable when it resolves; announced as soon as there is a connection, and again at each later one.  @throws STORAGE_FAILED, BAD_MESSAGE */
  offer(offer: Offer): Promise<void>;
  /** Takes the offer back, now or at the next connection. Durable when it resolves.  @throws STORAGE_FAILED */
  withdraw(): Promise<void>;
  publishState(state: Pick<DeviceState, "adapter">): void;
  /** Telemetry: while there is no connection the newest `RESULTS` wait in memory, older ones are dropped and counted. */
  publishResult(result: Omit<Result, "v" | "sequence">): void;
  status(): SyncStatus;
}

export interface SyncTiming {
  readonly connectMs: number;
  readonly keepaliveSeconds: number;
  readonly reconnect: Backoff;
  readonly requestMs: number;
  readonly hold: Backoff;
  /** How long a leave-taking may last. */
  readonly leaveMs: number;
}

export const TIMING: SyncTiming = {
  connectMs: 15_000,
  keepaliveSeconds: 30,
  reconnect: { firstMs: 1000, mostMs: 60_000 },
  requestMs: 10_000,
  hold: { firstMs: 5000, mostMs: 600_000 },
  leaveMs: 2000,
};
