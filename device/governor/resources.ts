import * as z from "zod";
import type { Clock } from "../clock.ts";
import { createEnergyMeter } from "./energy.ts";
import { later, NO_USAGE, type ProcessUsage, readProcessUsage, together } from "./process-usage.ts";
import type { System } from "./system.ts";

/** What a round took; null where this board cannot tell. */
export const resourcesSchema = z.strictObject({
  /** While one of its processes ran; pauses do not count. */
  wallSeconds: z.number().nonnegative(),
  cpuSeconds: z.number().nonnegative().nullable(),
  peakMemoryBytes: z.number().nonnegative().nullable(),
  writtenBytes: z.number().nonnegative().nullable(),
  energy: z
    .strictObject({ joules: z.number().nonnegative(), source: z.enum(["rapl", "sensor", "estimate"]) })
    .nullable(),
});

export type Resources = z.infer<typeof resourcesSchema>;

export interface ResourceMeter {
  /** A process of the round has begun. After a pause another one may. */
  began(pid: number): void;
  /** It is gone. @param told what it said of itself at the end; what it was seen to take counts where that is more */
  ended(told?: ProcessUsage): Promise<void>;
  /** Until now, in the round. */
  taken(): Resources;
}

export interface ResourceMeterOptions {
  readonly system: System;
  readonly clock: Clock;
  /** What one busy core takes, for the estimate. */
  readonly wattsPerCore: number;
  readonly everyMs?: number;
}

/** One for a round. Looks at the process now and then, as one that is killed cannot tell any more. */
export function createResourceMeter(options: ResourceMeterOptions): ResourceMeter {
  const { system, clock, wattsPerCore, everyMs = 2000 } = options;
  const energy = createEnergyMeter(system, () => clock.monotonicMs());
  let finished = NO_USAGE;
  let wallMs = 0;
  let running: { readonly pid: number; readonly sinceMs: number; usage: ProcessUsage } | null = null;
  let looking: Promise<void> = Promise.resolve();
  let callOff = () => {};

  function look(): void {
    looking = observe().finally(() => {
      if (running !== null) callOff = clock.after(everyMs, look);
    });
  }

  async function observe(): Promise<void> {
    // The process may end meanwhile.
    const looked = running;
    await energy.sample();
    if (looked !== null) looked.usage = later(looked.usage, await readProcessUsage(system, looked.pid));
  }

  return {
    began(pid) {
      running = { pid, sinceMs: clock.monotonicMs(), usage: NO_USAGE };
      look();
    },
    async ended(told = NO_USAGE) {
      if (running === null) return;
      const last = running;
      wallMs += clock.monotonicMs() - last.sinceMs;
      running = null;
      callOff();
      await looking;
      await energy.sample();
      energy.interrupt();
      finished = together(finished, later(last.usage, told));
    },
    taken() {
      const { cpuSeconds, ...others } = running === null ? finished : together(finished, running.usage);
      const ranMs = wallMs + (running === null ? 0 : clock.monotonicMs() - running.sinceMs);
      const estimate = cpuSeconds === null ? null : { joules: cpuSeconds * wattsPerCore, source: "estimate" as const };
      return { wallSeconds: ranMs / 1000, cpuSeconds, ...others, energy: energy.measured() ?? estimate };
    },
  };
}
