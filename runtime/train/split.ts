import { type Random, shuffled } from "../random/random.ts";

export interface Split {
  train: number[];
  heldOut: number[];
}

/**
 * Holds out a part of each class: `share` of it, rounded, but never its last recording, and none of a class of one.
 * @param labels [samples]  @param recordings [samples]: what each is a part of, if it is; parts of one stay together
 * @returns indices into them
 */
export function splitByClass(
  labels: readonly number[],
  share: number,
  random: Random,
  recordings: readonly (string | undefined)[] = [],
): Split {
  const classes = new Map<number, number[]>();
  for (const [index, label] of labels.entries()) classes.set(label, [...(classes.get(label) ?? []), index]);
  const split: Split = { train: [], heldOut: [] };
  for (const label of [...classes.keys()].sort((a, b) => a - b)) {
    const members = classes.get(label)!;
    const held = Math.min(Math.max(Math.round(members.length * share), share > 0 ? 1 : 0), members.length - 1);
    const { train, heldOut } = splitInto(members, held, random, recordings);
    split.heldOut.push(...heldOut);
    split.train.push(...train);
  }
  return split;
}

/** Holds out about as many samples as wanted, in whole recordings, and never the last of these. @param members indices of samples */
export function splitInto(
  members: readonly number[],
  wanted: number,
  random: Random,
  recordings: readonly (string | undefined)[] = [],
): Split {
  const together = shuffled(grouped(members, recordings), random);
  const held = new Set<readonly number[]>();
  let count = 0;
  for (const group of together) {
    if (held.size === together.length - 1) break;
    // Nearer to what is wanted with it than without.
    if (count + group.length / 2 > wanted) continue;
    held.add(group);
    count += group.length;
  }
  // All are far larger than what is wanted: the least is nearest.
  if (held.size === 0 && wanted > 0 && together.length > 1)
    held.add(together.reduce((least, group) => (group.length < least.length ? group : least)));
  return {
    heldOut: together.filter((group) => held.has(group)).flat(),
    train: together.filter((group) => !held.has(group)).flat(),
  };
}

/** Samples of one recording; every other sample by itself. */
function grouped(members: readonly number[], recordings: readonly (string | undefined)[]): number[][] {
  const groups = new Map<string | number, number[]>();
  for (const index of members) {
    const key = recordings[index] ?? index;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  }
  return [...groups.values()];
}
