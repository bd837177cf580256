import { type Disinterest, disinterest } from "../../fleet/protocol/interest.ts";
import type { Manifest } from "../../fleet/protocol/messages.ts";

/** Who offers what, and who is there: what a device knows of its fleet. Forgotten at a restart, for the broker retains it. */
export interface Offers {
  /** @returns why the offer is left alone, or null */
  heard(manifest: Manifest): Disinterest | null;
  /** The publisher took its offer back. */
  withdrawn(publisher: string): void;
  presence(device: string, status: "online" | "offline"): void;
  /** Offers in the order of their coming. */
  all(): readonly Manifest[];
  /** Who can send this blob now. A device whose state is not known is tried. */
  sources(sha256: string): readonly string[];
}

/** So many publishers are remembered; a fleet that is bigger hands adapters on through its manager. */
const MAX_PUBLISHERS = 1000;

export function createOffers(self: { device: string; baseSha256: string }): Offers {
  const newest = new Map<string, Manifest>();
  const away = new Set<string>();
  return {
    heard(manifest) {
      const newestVersion = newest.get(manifest.publisher)?.version ?? 0;
      const reason = disinterest(manifest, { ...self, newestVersion });
      // Whoever moved on to another base has taken the old offer back.
      if (reason === "OTHER_BASE") newest.delete(manifest.publisher);
      if (reason !== null) return reason;
      newest.delete(manifest.publisher);
      newest.set(manifest.publisher, manifest);
      if (newest.size > MAX_PUBLISHERS) newest.delete(newest.keys().next().value ?? "");
      return null;
    },
    withdrawn: (publisher) => void newest.delete(publisher),
    presence(device, status) {
      if (status === "online") away.delete(device);
      else if (away.size < MAX_PUBLISHERS) away.add(device);
    },
    all: () => [...newest.values()],
    sources: (sha256) =>
      [...newest.values()]
        .filter((manifest) => manifest.sha256 === sha256 && !away.has(manifest.publisher))
        .map((manifest) => manifest.publisher),
  };
}
