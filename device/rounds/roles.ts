import { z } from "zod";
import type { Sample } from "../samples/store.ts";

const hashes = z.array(z.string().regex(/^[0-9a-f]{64}$/));

export const rolesSchema = z.strictObject({ format: z.literal(1), trained: hashes, heldOut: hashes });

/** What finished rounds used each sample for. Whoever is in neither list is new. */
export type Roles = z.infer<typeof rolesSchema>;

export const NO_ROLES: Roles = { format: 1, trained: [], heldOut: [] };

export interface Assignment {
  readonly train: readonly Sample[];
  readonly heldOut: readonly Sample[];
}

/**
 * Holds out a share of each class. A role once given stays: a sample that has been trained on would flatter the adapter
 * that it judges. Of a class's only sample, training has the use.
 */
export function assignRoles(samples: readonly Sample[], roles: Roles, share: number): Assignment {
  const trained = new Set(roles.trained);
  const held = new Set(roles.heldOut);
  for (const members of byClass(samples)) {
    const wanted = Math.min(Math.max(1, Math.round(members.length * share)), members.length - 1);
    // Hashes are an order that has nothing to do with how the samples were taken.
    const fresh = members.filter(({ sha256 }) => !trained.has(sha256) && !held.has(sha256)).sort(byHash);
    const missing = wanted - members.filter(({ sha256 }) => held.has(sha256)).length;
    for (const { sha256 } of fresh.slice(0, Math.max(0, missing))) held.add(sha256);
  }
  return {
    train: samples.filter(({ sha256 }) => !held.has(sha256)),
    heldOut: samples.filter(({ sha256 }) => held.has(sha256)),
  };
}

export const rolesOf = ({ train, heldOut }: Assignment): Roles => ({
  format: 1,
  trained: train.map(({ sha256 }) => sha256),
  heldOut: heldOut.map(({ sha256 }) => sha256),
});

export function newSamples(samples: readonly Sample[], roles: Roles): readonly Sample[] {
  const used = new Set([...roles.trained, ...roles.heldOut]);
  return samples.filter(({ sha256 }) => !used.has(sha256));
}

/** What may judge a foreign adapter fairly beside our own: nothing that ours was trained on. */
export function judges(samples: readonly Sample[], roles: Roles): readonly Sample[] {
  const trained = new Set(roles.trained);
  return samples.filter(({ sha256 }) => !trained.has(sha256));
}

function byClass(samples: readonly Sample[]): Sample[][] {
  const classes = new Map<string, Sample[]>();
  for (const sample of samples) classes.set(sample.label, [...(classes.get(sample.label) ?? []), sample]);
  return [...classes.values()];
}

const byHash = (a: Sample, b: Sample): number => (a.sha256 < b.sha256 ? -1 : 1);
