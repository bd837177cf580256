import { setTimeout as sleep } from "node:timers/promises";
import { nodeDisk } from "../disk/disk.ts";
import { openRandomAccess } from "../disk/random-access.ts";
import type { World } from "./fetch.ts";

const PATIENCE_MS = 30_000;

export const nodeWorld: World = {
  disk: nodeDisk,
  open: openRandomAccess,
  net: { fetch: (address, init) => fetch(address, init), patienceMs: PATIENCE_MS },
  // What it was waiting for is asked about afterwards.
  wait: (ms, signal) => sleep(ms, undefined, { ...(signal && { signal }) }).catch(() => undefined),
  random: Math.random,
};
