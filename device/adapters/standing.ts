import * as z from "zod";
import { qualitySchema } from "./quality.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** null: the bare base. */
const slot = sha256.nullable();

/** Beside the shelf's own state, in a file of its own: an earlier version of Lichen reads that one, and does not know this one. */
export const standingSchema = z.strictObject({
  format: z.literal(1),
  /** The last adapter that proved itself. */
  good: slot,
  /** What a person wants served, whatever is learnt; null: nobody does. */
  pinned: z.strictObject({ adapter: slot }).nullable(),
  /** Starts in a row, with this adapter, that have not lasted yet. */
  boots: z.strictObject({ adapter: slot, count: z.int().nonnegative() }),
  /** What the adapter has served so far. */
  proof: z.strictObject({ adapter: slot, inferences: z.int().nonnegative(), seconds: z.number().nonnegative() }),
  quality: qualitySchema.nullable(),
  /** Adapters taken out of service: neither they nor the same numbers under another name, nor what starts from them, may serve. */
  barred: z.array(z.strictObject({ sha256, parameters: sha256.nullable(), reason: z.string() })),
});

/** How the adapters stand: which is trusted, which is being tried, which is out for good. */
export type Standing = z.infer<typeof standingSchema>;

export const NO_STANDING: Standing = {
  format: 1,
  good: null,
  pinned: null,
  boots: { adapter: null, count: 0 },
  proof: { adapter: null, inferences: 0, seconds: 0 },
  quality: null,
  barred: [],
};

/** Why an adapter was taken out of service; stable, and in the list of refused ones. */
export const REVERT_REASONS = {
  CRASH_LOOP: "the daemon did not last with it, several times in a row",
  LESS_RIGHT: "it was wrong on newly labelled samples more often than its gate allowed for",
  LESS_SURE: "its answers became less sure than they were when it began",
  ROLLED_BACK: "a person rolled it back",
} as const;

export type RevertReason = keyof typeof REVERT_REASONS;

/** Why an adapter must not come into service, though no gate has refused it; stable. */
export const OBJECTIONS = {
  SAME_AS_REFUSED: "it is the same, number by number, as one that was taken out of service",
  STARTS_FROM_REFUSED: "it was trained from one that was taken out of service",
  PINNED: "a person has pinned another one: lichen use --auto lets go of it",
} as const;

export type Objection = keyof typeof OBJECTIONS;

export interface Candidate {
  readonly sha256: string;
  /** Of its numbers alone. */
  readonly parameters: string;
  readonly parents: readonly string[];
}

/** What stands against an adapter. */
export function objectionTo(
  { barred, pinned }: Standing,
  { sha256, parameters, parents }: Candidate,
): Objection | null {
  if (pinned !== null && pinned.adapter !== sha256) return "PINNED";
  if (barred.some((one) => one.parameters === parameters || one.sha256 === sha256)) return "SAME_AS_REFUSED";
  return barred.some((one) => parents.includes(one.sha256)) ? "STARTS_FROM_REFUSED" : null;
}

export const isBarred = ({ barred }: Standing, adapter: string): boolean =>
  barred.some(({ sha256 }) => sha256 === adapter);

export interface Booted {
  readonly standing: Standing;
  /** What to serve instead; null: serve what is there. */
  readonly fallBack: { readonly from: string; readonly to: string | null } | null;
}

/**
 * A start, counted before the adapter is loaded: what kills the daemon in loading is counted too.
 * @param starts at this one in a row the adapter gives way, to the last-known-good one, and that one to the bare base; 0: never
 */
export function booted(standing: Standing, current: string | null, starts: number): Booted {
  const count = standing.boots.adapter === current ? standing.boots.count + 1 : 1;
  if (current === null || starts === 0 || count < starts) {
    return { standing: { ...standing, boots: { adapter: current, count } }, fallBack: null };
  }
  const to = fallBackOf(standing, current);
  return { standing: { ...standing, boots: { adapter: to, count: 1 } }, fallBack: { from: current, to } };
}

/** Where to go from an adapter that fails: what is itself last-known-good leaves only the base. */
export const fallBackOf = ({ good }: Standing, current: string | null): string | null =>
  good === current ? null : good;

/** The start has lasted. */
export const lasted = (standing: Standing): Standing =>
  standing.boots.count === 0 ? standing : { ...standing, boots: { ...standing.boots, count: 0 } };

export interface Proof {
  readonly inferences: number;
  readonly hours: number;
}

/** Time and answers that an adapter has served, which may make it the last-known-good one. */
export function served(
  standing: Standing,
  adapter: string,
  more: { inferences: number; seconds: number },
  wanted: Proof,
): Standing {
  if (standing.good === adapter) return standing;
  const before = standing.proof.adapter === adapter ? standing.proof : { inferences: 0, seconds: 0 };
  const proof = {
    adapter,
    inferences: before.inferences + more.inferences,
    seconds: before.seconds + more.seconds,
  };
  const isProven = proof.inferences >= wanted.inferences && proof.seconds >= wanted.hours * 3600;
  return { ...standing, proof, good: isProven ? adapter : standing.good };
}

/** So many are remembered, the newest. */
const BARRED = 64;

/** Out of service, for good: it is no longer good, nor wanted. */
export function barred(standing: Standing, sha256: string, parameters: string | null, reason: RevertReason): Standing {
  return {
    ...standing,
    good: standing.good === sha256 ? null : standing.good,
    pinned: standing.pinned?.adapter === sha256 ? null : standing.pinned,
    quality: standing.quality?.adapter === sha256 ? null : standing.quality,
    barred: [...standing.barred.filter((one) => one.sha256 !== sha256), { sha256, parameters, reason }].slice(-BARRED),
  };
}

/** A person's word: whatever stood against it is forgotten. */
export const pinnedTo = (standing: Standing, adapter: string | null): Standing => ({
  ...standing,
  pinned: { adapter },
  barred: standing.barred.filter(({ sha256 }) => sha256 !== adapter),
});

export const unpinned = (standing: Standing): Standing => ({ ...standing, pinned: null });
