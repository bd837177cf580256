import { type Random, shuffled } from "../random/random.ts";

export interface Split {
  train: number[];
  heldOut: number[];
}

/**
 * Holds out a part of each class: `share` of it, rounded, but never its last training sample, and none of a class of one.
 * @param labels [samples] @returns indices into them
 */
export function splitByClass(labels: readonly number[], share: number, random: Random): Split {
  const classes = new Map<number, number[]>();
  for (const [index, label] of labels.entries()) classes.set(label, [...(classes.get(label) ?? []), index]);
  const split: Split = { train: [], heldOut: [] };
  for (const label of [...classes.keys()].sort((a, b) => a - b)) {
    const members = shuffled(classes.get(label)!, random);
    const held = Math.min(Math.max(Math.round(members.length * share), share > 0 ? 1 : 0), members.length - 1);
    split.heldOut.push(...members.slice(0, held));
    split.train.push(...members.slice(held));
  }
  return split;
}
