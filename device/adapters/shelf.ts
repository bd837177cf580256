import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import { type Disk, isMissing } from "../disk/disk.ts";
import { removeTemporaries, writeDurably } from "../disk/durable.ts";
import { stateFile } from "../disk/state-file.ts";
import {
  chosen,
  dropped,
  FRESH,
  isRefused,
  refused,
  reverted,
  rolledBack,
  type ShelfState,
  shelfSchema,
  taken,
} from "./state.ts";

/** Adapters on disk, by content, and the durable word on which of them serves. */
export interface Shelf {
  /** Returns what was damaged and how it was got over. */
  start(): Promise<readonly LichenError[]>;
  state(): ShelfState;
  isRefused(sha256: string): boolean;
  pathOf(sha256: string): string;
  /** @returns undefined when it is not here.  @throws ADAPTER_CORRUPT when its bytes are not those of its name */
  read(sha256: string): Promise<Uint8Array | undefined>;
  /** Keeps the bytes and makes them current. When it resolves, both are durable.  @throws STORAGE_FAILED, nothing changed */
  take(sha256: string, bytes: Uint8Array): Promise<void>;
  refuse(sha256: string, reason: string): Promise<void>;
  /** @throws NOTHING_TO_ROLL_BACK, STORAGE_FAILED */
  rollBack(reason: string): Promise<void>;
  /** Takes the current adapter out of service for its faults. @throws STORAGE_FAILED */
  revert(to: string | null, reason: string): Promise<void>;
  /** Makes current what a person wants, and is on the shelf. @throws STORAGE_FAILED */
  choose(sha256: string | null): Promise<void>;
  /** Gives up a current adapter that cannot be loaded, for the one before where nothing else is named. */
  drop(to?: string | null): Promise<void>;
  /** Adapters that are here, by name. */
  held(): Promise<readonly string[]>;
}

export interface ShelfOptions {
  readonly directory: string;
  readonly disk: Disk;
  readonly log: Logger;
  /** Adapters that stay, beside the current one and the one before. */
  readonly alsoKept?: () => readonly (string | null)[];
}

export function createShelf({ directory, disk, log, alsoKept = () => [] }: ShelfOptions): Shelf {
  const file = stateFile(disk, join(directory, "state.json"), shelfSchema, FRESH);
  let state = FRESH;

  const pathOf = (sha256: string) => join(directory, `${sha256}${ENDING}`);

  async function change(next: ShelfState): Promise<void> {
    if (next === state) return;
    await file.save(next);
    state = next;
    await clear().catch((error) => log.warn({ err: error }, "old adapters could not be removed"));
  }

  /** Only after the state is durable: until then an old file may still be needed. */
  async function clear(): Promise<void> {
    const kept = new Set([state.current, state.previous, ...alsoKept()]);
    for (const sha256 of await held()) if (!kept.has(sha256)) await disk.remove(pathOf(sha256));
  }

  const held = async () =>
    (await disk.list(directory)).filter((name) => name.endsWith(ENDING)).map((name) => name.slice(0, -ENDING.length));

  return {
    async start() {
      await disk.makeFolder(directory);
      await removeTemporaries(disk, directory);
      const loaded = await file.load();
      state = loaded.value;
      return loaded.damage;
    },
    state: () => state,
    isRefused: (sha256) => isRefused(state, sha256),
    pathOf,
    async read(sha256) {
      const bytes = await disk.read(pathOf(sha256)).catch((error) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
      if (bytes === undefined) return undefined;
      const found = createHash("sha256").update(bytes).digest("hex");
      if (found !== sha256) {
        throw new LichenError("ADAPTER_CORRUPT", {
          at: pathOf(sha256),
          found: `sha256 ${found}`,
          wanted: `sha256 ${sha256}`,
        });
      }
      return bytes;
    },
    async take(sha256, bytes) {
      await writeDurably(disk, pathOf(sha256), bytes);
      await change(taken(state, sha256));
    },
    refuse: (sha256, reason) => change(refused(state, sha256, reason)),
    async rollBack(reason) {
      if (state.current === null) throw new LichenError("NOTHING_TO_ROLL_BACK", { at: directory });
      await change(rolledBack(state, reason));
    },
    revert: (to, reason) => change(reverted(state, to, reason)),
    choose: (sha256) => change(chosen(state, sha256)),
    drop: (to) => change(dropped(state, to)),
    held,
  };
}

const ENDING = ".safetensors";
