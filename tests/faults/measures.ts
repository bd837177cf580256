import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { inferSchema } from "../../device/api/schemas.ts";
import type { Victim } from "./victim.ts";

/** Bytes that a process holds in memory.  @see proc(5), /proc/pid/status */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** The most that a process has held since it began. */
export async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Asks for an inference again and again, as somebody at work does, until told to stop. @returns milliseconds of each */
export function asking({ client }: Victim, body: Uint8Array): { stop(): Promise<number[]> } {
  const latencies: number[] = [];
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      const sinceMs = performance.now();
      await client.post("/v1/infer?name=x.wav", inferSchema, body);
      latencies.push(performance.now() - sinceMs);
      await sleep(20);
    }
  })();
  work.catch(() => undefined);
  return {
    async stop() {
      isOver = true;
      await work;
      return latencies;
    },
  };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}
