import * as z from "zod";
import type { Sample } from "../samples/store.ts";

const hashes = z.array(z.string().regex(/^[0-9a-f]{64}$/));

export const rolesSchema = z.strictObject({
  format: z.literal(1),
  trained: hashes,
  heldOut: hashes,
  /** What serves has learnt from something that was taken back: the next round starts from the base model. */
  startAfresh: z.literal(true).optional(),
});

/** What finished rounds used each sample for. Whoever is in neither list is new. */
export type Roles = z.infer<typeof rolesSchema>;

export const NO_ROLES: Roles = { format: 1, trained: [], heldOut: [] };

export interface Assignment {
  readonly train: readonly Sample[];
  readonly heldOut: readonly Sample[];
}

/**
 * Holds out a share of each class. A role once given stays: a sample that has been trained on would flatter the adapter
 * that it judges. Of a class's only sample, training has the use. What only the model itself believes never judges.
 */
export function assignRoles(samples: readonly Sample[], roles: Roles, share: number): Assignment {
  const trained = new Set(roles.trained);
  const held = new Set(roles.heldOut);
  for (const members of byClass(samples)) {
    const wanted = Math.min(Math.max(1, Math.round(members.length * share)), members.length - 1);
    // Hashes are an order that has nothing to do with how the samples were taken.
    const fresh = members
      .filter((sample) => !trained.has(sample.sha256) && !held.has(sample.sha256) && mayJudge(sample))
      .sort(byHash);
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

/**
 * Roles after samples became something else: another label, none, or gone for good. They have no role any more, so that a relabelled one
 * is new; and where they were trained on, the next round must not build upon what was learnt from them.
 */
export function forgotten(roles: Roles, sha256s: readonly string[]): Roles {
  const gone = new Set(sha256s);
  const rest = (hashes: readonly string[]) => hashes.filter((sha256) => !gone.has(sha256));
  const wasTrained = roles.trained.some((sha256) => gone.has(sha256));
  return {
    ...roles,
    trained: rest(roles.trained),
    heldOut: rest(roles.heldOut),
    ...(wasTrained && { startAfresh: true }),
  };
}

export function newSamples(samples: readonly Sample[], roles: Roles): readonly Sample[] {
  const used = new Set([...roles.trained, ...roles.heldOut]);
  return samples.filter(({ sha256 }) => !used.has(sha256));
}

/** What may judge a foreign adapter fairly beside our own: nothing that ours was trained on. */
export function judges(samples: readonly Sample[], roles: Roles): readonly Sample[] {
  const trained = new Set(roles.trained);
  return samples.filter((sample) => !trained.has(sample.sha256) && mayJudge(sample));
}

/** A model that judges by its own beliefs is always right. */
const mayJudge = ({ origin }: Sample): boolean => origin !== "confidence";

function byClass(samples: readonly Sample[]): Sample[][] {
  const classes = new Map<string, Sample[]>();
  for (const sample of samples) classes.set(sample.label, [...(classes.get(sample.label) ?? []), sample]);
  return [...classes.values()];
}

const byHash = (a: Sample, b: Sample): number => (a.sha256 < b.sha256 ? -1 : 1);
