import type { Manifest } from "../fleet/protocol/messages.ts";
import type { Adapter } from "../runtime/index.ts";

/** What the fleet is told about an adapter that was trained here; the link adds names, versions and blocks. */
export interface Offer {
  readonly sha256: string;
  readonly bytes: number;
  readonly method: string;
  readonly accuracy: { readonly before: number; readonly after: number } | null;
  readonly samples: number;
  readonly parents: readonly string[];
}

export function offerOf({ sha256, bytes, description }: Adapter): Offer {
  const { before, after } = description.metrics;
  return {
    sha256,
    bytes: bytes.byteLength,
    method: description.method,
    accuracy: before.heldOut && after.heldOut && { before: before.heldOut.accuracy, after: after.heldOut.accuracy },
    samples: Object.values(description.samplesPerClass).reduce((sum, count) => sum + count, 0),
    parents: description.lineage.parents,
  };
}

/** The way to the fleet, as the daemon uses it. */
export interface FleetLink {
  start(): Promise<void>;
  stop(): Promise<void>;
  offer(offer: Offer): Promise<void>;
  withdraw(): Promise<void>;
  publishState(state: { readonly adapter: string | null }): void;
  publishResult(result: { label: string; confidence: number; adapter: string | null; input: string }): void;
  status(): { readonly offer: { readonly sha256: string } | null };
}

/** What the link asks of the daemon. */
export interface LinkPorts {
  readonly base: { readonly id: string; readonly version: string; readonly sha256: string };
  readonly softwareVersion: string;
  /** A folder of the link's own. */
  readonly directory: string;
  readAdapter(sha256: string): Promise<Uint8Array | undefined>;
  /** Whether an offered adapter is worth fetching. */
  wants(manifest: Manifest): boolean;
  receive(bytes: Uint8Array, manifest: Manifest): Promise<void>;
}
