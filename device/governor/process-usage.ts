import type { Reading } from "./facts.ts";
import type { System } from "./system.ts";

/** What one process has taken since it began. */
export interface ProcessUsage {
  /** On all cores together, in the process and in the kernel for it. */
  readonly cpuSeconds: Reading<number>;
  readonly peakMemoryBytes: Reading<number>;
  /** Sent to the storage layer; what stayed in memory and was deleted again is not counted. */
  readonly writtenBytes: Reading<number>;
}

export const NO_USAGE: ProcessUsage = { cpuSeconds: null, peakMemoryBytes: null, writtenBytes: null };

/** Another process of the same user, as the kernel sees it; all null once it is gone. */
export async function readProcessUsage(system: System, pid: number): Promise<ProcessUsage> {
  const [stat, status, io] = await Promise.all([
    system.read(`proc/${pid}/stat`),
    system.read(`proc/${pid}/status`),
    system.read(`proc/${pid}/io`),
  ]);
  return { cpuSeconds: parseCpuSeconds(stat), peakMemoryBytes: parsePeak(status), writtenBytes: parseWritten(io) };
}

/** What this process has taken; the training process ends with it, as nobody can ask once it is gone. */
export async function ownUsage(system: System): Promise<ProcessUsage> {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const { writtenBytes } = await readProcessUsage(system, process.pid);
  return { cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMemoryBytes: maxRSS * 1024, writtenBytes };
}

/** Two accounts of one process: such numbers only grow, so the larger one is the later one. */
export const later = (one: ProcessUsage, other: ProcessUsage): ProcessUsage => ({
  cpuSeconds: known(one.cpuSeconds, other.cpuSeconds, Math.max),
  peakMemoryBytes: known(one.peakMemoryBytes, other.peakMemoryBytes, Math.max),
  writtenBytes: known(one.writtenBytes, other.writtenBytes, Math.max),
});

/** Two processes, one after the other. */
export const together = (one: ProcessUsage, other: ProcessUsage): ProcessUsage => ({
  cpuSeconds: known(one.cpuSeconds, other.cpuSeconds, plus),
  peakMemoryBytes: known(one.peakMemoryBytes, other.peakMemoryBytes, Math.max),
  writtenBytes: known(one.writtenBytes, other.writtenBytes, plus),
});

const plus = (one: number, other: number): number => one + other;

const known = (
  one: Reading<number>,
  other: Reading<number>,
  join: (one: number, other: number) => number,
): Reading<number> => (one === null || other === null ? (one ?? other) : join(one, other));

/** USER_HZ, which is the same on every architecture that Node runs on. */
const TICKS_A_SECOND = 100;

/** Fields 14 and 15. The second, a name in brackets, may hold spaces and brackets.  @see proc(5), /proc/pid/stat */
export function parseCpuSeconds(text: string | null): Reading<number> {
  const fields = /^\d+ \(.*\) (.+)$/s.exec(text ?? "")?.[1]?.split(" ") ?? [];
  const ticks = [fields[11], fields[12]].map((field) => (/^\d{1,15}$/.test(field ?? "") ? Number(field) : Number.NaN));
  const seconds = (ticks[0]! + ticks[1]!) / TICKS_A_SECOND;
  return Number.isFinite(seconds) ? seconds : null;
}

/** @see proc(5), /proc/pid/status */
export function parsePeak(text: string | null): Reading<number> {
  const kilobytes = /^VmHWM:\s+(\d{1,12}) kB$/m.exec(text ?? "")?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** @see proc(5), /proc/pid/io */
export function parseWritten(text: string | null): Reading<number> {
  const written = /^write_bytes: (\d{1,15})$/m.exec(text ?? "")?.[1];
  const cancelled = /^cancelled_write_bytes: (\d{1,15})$/m.exec(text ?? "")?.[1] ?? 0;
  return written === undefined ? null : Math.max(0, Number(written) - Number(cancelled));
}
