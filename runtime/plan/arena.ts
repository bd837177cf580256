import type { Buffer } from "./liveness.ts";

/** Allocations are rounded up to this. */
const GRAIN = 256;
const FIRST_REGION = 2 ** 20;
/** A free chunk is split when it is twice what is asked for, or when so much would be lost. */
const MOST_DEAD = 128 * 2 ** 20;

interface Chunk {
  region: number;
  at: number;
  size: number;
  free: boolean;
}

/**
 * Bytes of memory that become resident when buffers come and go in ONNX Runtime's arena: best fit, in regions that double. What a
 * buffer once touched stays resident; what lies behind it in its region was never touched.
 * @see onnxruntime/core/framework/bfc_arena.cc
 */
export function arenaBytes(buffers: readonly Buffer[]): number {
  const chunks: Chunk[] = [];
  const touched: number[] = [];
  let nextRegion = FIRST_REGION;

  function allocate(bytes: number): Chunk {
    const size = Math.ceil(bytes / GRAIN) * GRAIN;
    const fitting = chunks.filter((chunk) => chunk.free && chunk.size >= size);
    const best = fitting.sort((a, b) => a.size - b.size || a.region - b.region || a.at - b.at)[0] ?? extend(size);
    if (best.size >= 2 * size || best.size - size >= MOST_DEAD) {
      const rest = { region: best.region, at: best.at + size, size: best.size - size, free: true };
      chunks.splice(chunks.indexOf(best) + 1, 0, rest);
      best.size = size;
    }
    best.free = false;
    touched[best.region] = Math.max(touched[best.region]!, best.at + size);
    return best;
  }

  function extend(size: number): Chunk {
    const doubled = nextRegion < size;
    while (nextRegion < size) nextRegion *= 2;
    const region = touched.push(0) - 1;
    const chunk = { region, at: 0, size: nextRegion, free: true };
    if (!doubled) nextRegion *= 2;
    chunks.push(chunk);
    return chunk;
  }

  function release(chunk: Chunk): void {
    chunk.free = true;
    const place = chunks.indexOf(chunk);
    for (const [left, right] of [
      [place, place + 1],
      [place - 1, place],
    ] as const) {
      const [a, b] = [chunks[left], chunks[right]];
      if (!a?.free || !b?.free || a.region !== b.region) continue;
      a.size += b.size;
      chunks.splice(right, 1);
    }
  }

  const starting = groupBy(buffers, ({ from }) => from);
  const ending = groupBy(buffers, ({ to }) => to);
  const held = new Map<Buffer, Chunk>();
  const last = buffers.reduce((most, { to }) => Math.max(most, to), 0);
  for (let step = 0; step <= last; step++) {
    for (const buffer of starting.get(step) ?? []) held.set(buffer, allocate(buffer.bytes));
    for (const buffer of ending.get(step) ?? []) release(held.get(buffer)!);
  }
  return touched.reduce((sum, bytes) => sum + bytes, 0);
}

function groupBy<T>(values: readonly T[], key: (value: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const value of values) {
    const group = groups.get(key(value));
    if (group) group.push(value);
    else groups.set(key(value), [value]);
  }
  return groups;
}
