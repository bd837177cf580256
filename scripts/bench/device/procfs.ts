import { readFileSync } from "node:fs";

/** What Linux says of a process. @see proc(5) */
export interface Resident {
  /** Of all pages that it has in memory. */
  rssBytes: number;
  /** Pages that several processes share counted by halves, thirds, … */
  pssBytes: number;
  /** Neither files nor shared: its own. */
  anonBytes: number;
}

export const resident = (pid: number): Resident =>
  residentOf(readFileSync(`/proc/${pid}/status`, "latin1"), readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));

/** Bytes that it made the disk write, and seconds of processor that it took. */
export const usage = (pid: number): { writtenBytes: number; cpuSeconds: number } => ({
  writtenBytes: writtenOf(readFileSync(`/proc/${pid}/io`, "latin1")),
  cpuSeconds: cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, "latin1")),
});

export const residentOf = (status: string, smapsRollup: string): Resident => ({
  rssBytes: kilobytes(status, "VmRSS"),
  pssBytes: kilobytes(smapsRollup, "Pss"),
  anonBytes: kilobytes(status, "RssAnon"),
});

const kilobytes = (text: string, key: string): number => 1024 * field(text, key);

export const writtenOf = (io: string): number => field(io, "write_bytes");

function field(text: string, key: string): number {
  const found = new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${key} in what /proc says`);
  return Number(found);
}

/** Of every Linux that Node runs on: sysconf(_SC_CLK_TCK). */
const TICKS_PER_SECOND = 100;

/** utime and stime, fields 14 and 15; the name before them may hold spaces and brackets. */
export function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
