import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { onTestFinished } from "vitest";
import type { Disk } from "../../device/disk/disk.ts";

export const silent = pino({ level: "silent" });

/** A folder of the test's own, with a space in its path. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lichen test "));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  return folder;
}

export interface DyingDisk {
  readonly disk: Disk;
  /** Whether the power went. */
  died(): boolean;
}

/** A disk that fails at its `step`-th change and at every one after: a power cut, or a card that went read-only. */
export function dyingDisk(disk: Disk, step: number): DyingDisk {
  let steps = 0;
  /** The disk to act on, unless the power goes with this step. */
  const alive = (): Disk => {
    steps++;
    if (steps >= step) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    return disk;
  };
  const dying: Disk = {
    ...disk,
    makeFolder: async (path) => alive().makeFolder(path),
    sync: async (path) => alive().sync(path),
    rename: async (from, to) => alive().rename(from, to),
    remove: async (path) => alive().remove(path),
    async write(path, bytes) {
      // A write that is cut short leaves a part of the file.
      if (steps + 1 === step) await disk.write(path, bytes.slice(0, 3));
      await alive().write(path, bytes);
    },
    async append(path, bytes) {
      if (steps + 1 === step) await disk.append(path, bytes.slice(0, 3));
      await alive().append(path, bytes);
    },
  };
  return { disk: dying, died: () => steps >= step };
}

/** Runs a scenario with the power going at each step in turn, until it runs through. */
export async function atEveryStep(scenario: (step: number) => Promise<boolean>): Promise<number> {
  for (let step = 1; step < 200; step++) if (!(await scenario(step))) return step;
  throw new Error("the scenario never ran through");
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
