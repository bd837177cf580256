import type { Manifest } from "./messages.ts";

/** Stable reasons why an offered adapter is left alone. */
export type Disinterest = "OWN_OFFER" | "OTHER_BASE" | "STALE_VERSION";

export interface Interested {
  readonly device: string;
  readonly baseSha256: string;
  /** The newest version seen of this publisher; 0 before the first. */
  readonly newestVersion: number;
}

/** What the protocol itself says about an offer, before the device's own judgement. null: it may be wanted. */
export function disinterest(manifest: Manifest, { device, baseSha256, newestVersion }: Interested): Disinterest | null {
  if (manifest.publisher === device) return "OWN_OFFER";
  if (manifest.base.sha256 !== baseSha256) return "OTHER_BASE";
  if (manifest.version < newestVersion) return "STALE_VERSION";
  return null;
}
