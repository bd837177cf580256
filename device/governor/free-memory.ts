import type { Reading } from "./facts.ts";
import { readNumber, type System } from "./system.ts";

/** What a new process of the daemon can have: what the board has left, or less where a control group bounds the daemon. */
export async function readAvailableBytes(system: System): Promise<Reading<number>> {
  const [ofBoard, ofGroup] = await Promise.all([
    system.read("proc/meminfo").then(parseMemAvailable),
    readGroupRoom(system),
  ]);
  if (ofBoard === null || ofGroup === null) return ofBoard ?? ofGroup;
  return Math.min(ofBoard, ofGroup);
}

export function parseMemAvailable(text: string | null): Reading<number> {
  const kilobytes = /^MemAvailable:\s+(\d{1,12}) kB$/m.exec(text ?? "")?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** Only the unified hierarchy (version 2), which systemd has used since 2021.  @see Linux, admin-guide/cgroup-v2, memory */
async function readGroupRoom(system: System): Promise<Reading<number>> {
  const group = /^0::(\/.*)$/m.exec((await system.read("proc/self/cgroup")) ?? "")?.[1];
  if (group === undefined || group.split("/").includes("..")) return null;
  const rooms = await Promise.all(withParents(group).map((folder) => readRoom(system, folder)));
  const bounded = rooms.filter((room) => room !== null);
  return bounded.length === 0 ? null : Math.min(...bounded);
}

/** `/system.slice/lichend.service` is bound by its own limit and by those of the groups around it. */
function withParents(group: string): string[] {
  const names = group.split("/").filter((name) => name !== "");
  return names.map((_, depth) => `sys/fs/cgroup/${names.slice(0, depth + 1).join("/")}`);
}

async function readRoom(system: System, folder: string): Promise<Reading<number>> {
  const [max, high, current, stat] = await Promise.all([
    readNumber(system, `${folder}/memory.max`),
    readNumber(system, `${folder}/memory.high`),
    readNumber(system, `${folder}/memory.current`),
    system.read(`${folder}/memory.stat`),
  ]);
  // "max" stands for no limit, and is no number.
  const limit = Math.min(max ?? Number.POSITIVE_INFINITY, high ?? Number.POSITIVE_INFINITY);
  if (current === null || !Number.isFinite(limit)) return null;
  // Pages of files that nobody has used lately are given back before anything is refused.
  const reclaimable = Number(/^inactive_file (\d{1,18})$/m.exec(stat ?? "")?.[1] ?? 0);
  return Math.max(0, limit - Math.max(0, current - reclaimable));
}
