import { join } from "node:path";
import * as z from "zod";
import { type Manifest, manifestSchema } from "../../fleet/protocol/messages.ts";
import type { LichenError } from "../../runtime/errors.ts";
import type { Disk } from "../disk/disk.ts";
import { stateFile } from "../disk/state-file.ts";
import { oneAtATime } from "../one-at-a-time.ts";

const outboxSchema = z.strictObject({
  format: z.literal(1),
  /** The highest version this device has given out, or was seen to have given out before it lost this file. */
  version: z.int().nonnegative(),
  /** What is offered; the newest replaces what went before, as on the retained topic. */
  manifest: manifestSchema.nullable(),
});

type OutboxState = z.infer<typeof outboxSchema>;

export type Unversioned = Omit<Manifest, "version">;

/** The one thing that must arrive: the manifest of the newest adapter. It stays here and is said again at each connection. */
export interface Outbox {
  start(): Promise<readonly LichenError[]>;
  manifest(): Manifest | null;
  /** Gives the manifest the next version. Durable when it resolves.  @throws STORAGE_FAILED */
  put(manifest: Unversioned): Promise<Manifest>;
  /** Nothing is offered any more. Durable when it resolves.  @throws STORAGE_FAILED */
  clear(): Promise<void>;
  /** Whether the fleet may still hold an offer of this device that no longer stands. */
  mustTakeBack(): boolean;
  /** The fleet has seen an own version: the next ones must lie above. @returns whether the manifest got a new version */
  observe(seen: Manifest): Promise<boolean>;
}

export function createOutbox(directory: string, disk: Disk): Outbox {
  const file = stateFile<OutboxState>(disk, join(directory, "outbox.json"), outboxSchema, FRESH);
  let state = FRESH;

  // One after the other: two versions must not come from the same count.
  const changes = oneAtATime();
  const change = (next: (state: OutboxState) => OutboxState): Promise<OutboxState> =>
    changes.do(async () => {
      const changed = next(state);
      if (changed !== state) await file.save(changed);
      state = changed;
      return changed;
    });

  return {
    async start() {
      const loaded = await file.load();
      state = loaded.value;
      return loaded.damage;
    },
    manifest: () => state.manifest,
    async put(manifest) {
      const { manifest: kept } = await change((now) => offered(now, manifest));
      return kept ?? { ...manifest, version: 1 };
    },
    clear: async () => void (await change((now) => (now.manifest === null ? now : { ...now, manifest: null }))),
    mustTakeBack: () => state.manifest === null && state.version > 0,
    async observe(seen) {
      const before = state;
      const after = await change((now) => observed(now, seen));
      return after.manifest?.version !== before.manifest?.version;
    },
  };
}

const FRESH: OutboxState = { format: 1, version: 0, manifest: null };

/** The same adapter again keeps its version: that is a restart, not news. */
export function offered(state: OutboxState, manifest: Unversioned): OutboxState {
  const same = state.manifest?.sha256 === manifest.sha256;
  if (same && JSON.stringify({ ...state.manifest, version: 0 }) === JSON.stringify({ ...manifest, version: 0 })) {
    return state;
  }
  const version = state.version + 1;
  return { ...state, version, manifest: { ...manifest, version } };
}

/** A device that lost its outbox counts on from what the broker still has. */
export function observed(state: OutboxState, seen: Manifest): OutboxState {
  const { manifest } = state;
  if (seen.version < state.version) return state;
  if (seen.sha256 === manifest?.sha256) {
    return seen.version === state.version ? state : { ...state, version: seen.version, manifest: seen };
  }
  if (manifest === null) return { ...state, version: seen.version };
  // Two adapters must not share a version: what is offered now is the newer one.
  return { ...state, version: seen.version + 1, manifest: { ...manifest, version: seen.version + 1 } };
}
