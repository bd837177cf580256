import childProcess from "node:child_process";
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { basename } from "node:path";
import { systemClock } from "../../device/clock.ts";
import { type Disk, nodeDisk } from "../../device/disk/disk.ts";
import { FAULT_VARIABLE, type Fault, faultSchema } from "./fault.ts";
import { createUnsynced, type Unsynced } from "./unsynced.ts";

/*
 * Loaded by `node --import` before lichend, and so before the training process that it forks: the daemon as it ships finds ports whose
 * methods are others. Nothing in the product knows of this file.
 */
const fault: Fault = faultSchema.parse(JSON.parse(process.env[FAULT_VARIABLE] ?? "{}"));
const self = basename(process.argv[1] ?? "") === "trainer.js" ? "trainer" : "daemon";
const powerCut = fault.powerCut?.process === self ? fault.powerCut : undefined;
const unsynced: Unsynced | undefined = powerCut?.vault === undefined ? undefined : createUnsynced(powerCut.vault);
let steps = 0;

/** Daemon and trainer go in one instant: they are a process group of their own. */
function goDark(): never {
  const other = self === "trainer" ? process.ppid : undefined;
  if (other !== undefined) process.kill(other, "SIGKILL");
  unsynced?.lose();
  process.kill(-(other ?? process.pid), "SIGKILL");
  // The signal may take a moment to arrive, and nothing may happen in it.
  for (;;);
}

/** Counts a step, and lets the power go before it, in the midst of it, or after it. */
async function step<T>(name: string, path: string, act: () => Promise<T>, half?: () => void): Promise<T> {
  steps++;
  if (fault.steps !== undefined) appendFileSync(fault.steps, `${self} ${name} ${path}\n`);
  const at = powerCut?.step === steps ? powerCut.at : undefined;
  if (at === "before") goDark();
  if (at === "half") {
    half?.();
    goDark();
  }
  refuse(name, path);
  const result = await act();
  if (at === "after") goDark();
  return result;
}

/** @throws as a full or read-only disk does */
function refuse(name: string, path: string): void {
  if (fault.refusal === undefined) return;
  const code = textOf(fault.refusal);
  // A full disk has room for what makes room.
  const isSpared = code === "ENOSPC" && (name === "remove" || name === "rename" || name === "sync");
  if (code === "" || isSpared) return;
  throw Object.assign(new Error(`${code}: injected, ${name} '${path}'`), { code, path });
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

const halfOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, Math.floor(bytes.length / 2));
const lengthOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const real: Disk = { ...nodeDisk };
const faulty: Partial<Disk> = {
  makeFolder: async (path) => {
    if (fault.refusal !== undefined && statSync(path, { throwIfNoEntry: false }) === undefined) refuse("mkdir", path);
    await real.makeFolder(path);
  },
  write: (path, bytes) =>
    step(
      "write",
      path,
      () => {
        unsynced?.writing(path, 0);
        return real.write(path, bytes);
      },
      () => writeFileSync(path, halfOf(bytes)),
    ),
  append: (path, bytes) =>
    step(
      "append",
      path,
      () => {
        unsynced?.writing(path, lengthOf(path));
        return real.append(path, bytes);
      },
      () => appendFileSync(path, halfOf(bytes)),
    ),
  sync: (path) =>
    step("sync", path, async () => {
      await real.sync(path);
      unsynced?.synced(path);
    }),
  rename: (from, to) =>
    step("rename", to, () => {
      unsynced?.renaming(from, to);
      return real.rename(from, to);
    }),
  remove: (path) =>
    step("remove", path, () => {
      unsynced?.removing(path);
      return real.remove(path);
    }),
};
Object.assign(nodeDisk, faulty);

// On a busy machine a training process of the lowest priority would be most of what a test waits for.
os.setPriority = () => undefined;
const { spawnSync } = childProcess;
childProcess.spawnSync = ((command: string, ...rest: [string[]]) =>
  command === "chrt" ? { status: 1 } : spawnSync(command, ...rest)) as typeof spawnSync;
syncBuiltinESMExports();

// Files that are written in places: cached activations, and what is overwritten before it goes.
const probe = await open(process.execPath, "r");
const places = Object.getPrototypeOf(probe);
await probe.close();
for (const name of ["write", "truncate"] as const) {
  const method = places[name] as (...parameters: unknown[]) => Promise<unknown>;
  places[name] = function (this: unknown, ...parameters: unknown[]) {
    return step(`${name} in place`, "", () => method.apply(this, parameters));
  };
}

if (fault.clockError !== undefined) {
  const { clockError } = fault;
  const trueNow = Date.now.bind(Date);
  // Whatever asks for the time gets the wrong one, as when the board's own clock is wrong.
  Date.now = () => trueNow() + Number(textOf(clockError));
  Object.assign(systemClock, { wallMs: Date.now });
}

if (fault.haste !== undefined) {
  const { haste } = fault;
  const wait = globalThis.setTimeout;
  const hasty = (act: () => void, ms = 0, ...rest: []) =>
    wait(act, ms > 1000 ? ms / Number(textOf(haste) || 1) : ms, ...rest);
  globalThis.setTimeout = Object.assign(hasty, wait) as typeof setTimeout;
}
