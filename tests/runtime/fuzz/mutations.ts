import type { Random } from "../../../runtime/random/random.ts";

/** Numbers that sizes, offsets and counts go wrong with. */
const TRAPS = [0, 1, 2, 4, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];

type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

const within = (random: Random, limit: number): number => Math.floor(random() * limit);

function piece(bytes: Uint8Array, random: Random): Uint8Array {
  const begin = within(random, bytes.length);
  return bytes.slice(begin, begin + 1 + within(random, Math.min(256, bytes.length - begin)));
}

function insert(bytes: Uint8Array, at: number, parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), ...parts, bytes.subarray(at)]);
}

/** Sizes stay: most of the file is still what it was, so that what is deep in it is reached. */
const IN_PLACE: readonly Mutation[] = [
  function flipBits(bytes, random) {
    const damaged = bytes.slice();
    for (let flips = 1 + within(random, 3); flips > 0; flips--) {
      const at = within(random, bytes.length);
      damaged[at]! ^= 1 << within(random, 8);
    }
    return damaged;
  },
  function overwriteByte(bytes, random) {
    const damaged = bytes.slice();
    damaged[within(random, bytes.length)] = random() < 0.5 ? TRAPS[within(random, 7)]! : within(random, 16);
    return damaged;
  },
  function overwriteNumber(bytes, random) {
    const damaged = bytes.slice();
    if (bytes.length < 4) return damaged;
    const value = random() < 0.7 ? TRAPS[within(random, TRAPS.length)]! : within(random, 2 ** 32);
    viewOf(damaged).setUint32(within(random, bytes.length - 3) & ~3, value, true);
    return damaged;
  },
  /** One of the file's own numbers in place of another: offsets that lead somewhere, indices that exist. */
  function copyNumber(bytes, random) {
    const damaged = bytes.slice();
    if (bytes.length < 4) return damaged;
    const value = viewOf(damaged).getUint32(within(random, bytes.length - 3) & ~3, true);
    viewOf(damaged).setUint32(within(random, bytes.length - 3) & ~3, value, true);
    return damaged;
  },
  function nudgeNumber(bytes, random) {
    const damaged = bytes.slice();
    damaged[within(random, bytes.length)]! += random() < 0.5 ? 1 : -1;
    return damaged;
  },
];

const OUT_OF_PLACE: readonly Mutation[] = [
  function cut(bytes, random) {
    return bytes.slice(0, within(random, bytes.length));
  },
  function splice(bytes, random, others) {
    const other = others[within(random, others.length)]!;
    return insert(bytes, within(random, bytes.length), [piece(other, random)]);
  },
  function exchange(bytes, random, others) {
    const damaged = bytes.slice();
    const part = piece(others[within(random, others.length)]!, random).subarray(0, bytes.length);
    damaged.set(part, within(random, bytes.length - part.length + 1));
    return damaged;
  },
  function repeat(bytes, random) {
    const part = piece(bytes, random);
    return insert(bytes, within(random, bytes.length), Array(1 + within(random, 8)).fill(part));
  },
  function drop(bytes, random) {
    const at = within(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + within(random, 64))]);
  },
];

/** A damaged copy; now and then damaged twice. */
export function mutated(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const once = damagedOnce(bytes, random, others);
  return random() < 0.25 && once.length > 0 ? damagedOnce(once, random, others) : once;
}

function damagedOnce(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const mutations = random() < 0.75 ? IN_PLACE : OUT_OF_PLACE;
  return mutations[within(random, mutations.length)]!(bytes, random, others);
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
