import * as z from "zod";
import type { StoredSample } from "../samples/sample.ts";
import type { Sample } from "../samples/store.ts";
import type { Assignment } from "./roles.ts";

const hashes = z.array(z.string().regex(/^[0-9a-f]{64}$/));

/** What a round works on, in a file of its own: it is long, and written once, where the round's state is short and changes. */
export const planSchema = z.strictObject({
  format: z.literal(1),
  /** Of the round that it was made for; another may take it over. */
  id: z.int().nonnegative(),
  train: hashes,
  heldOut: hashes,
  unlabelled: hashes,
  /** Stands in the adapter, so that an interrupted round ends with the same bytes. */
  createdAt: z.string(),
});

export type RoundPlan = z.infer<typeof planSchema>;

export const NO_PLAN: RoundPlan = { format: 1, id: 0, train: [], heldOut: [], unlabelled: [], createdAt: "" };

export const planOf = (
  id: number,
  { train, heldOut }: Assignment,
  unlabelled: readonly StoredSample[],
  createdAt: string,
): RoundPlan => ({
  format: 1,
  id,
  train: names(train),
  heldOut: names(heldOut),
  unlabelled: names(unlabelled),
  createdAt,
});

/** The plan's samples as they are now: under the labels that they have now, without those that are gone. */
export interface Planned extends Assignment {
  readonly unlabelled: readonly StoredSample[];
}

export function plannedSamples(
  plan: RoundPlan,
  labelled: readonly Sample[],
  unlabelled: readonly StoredSample[],
): Planned {
  const pick = <S extends { sha256: string }>(from: readonly S[], wanted: readonly string[]) => {
    const set = new Set(wanted);
    return from.filter(({ sha256 }) => set.has(sha256));
  };
  return {
    train: pick(labelled, plan.train),
    heldOut: pick(labelled, plan.heldOut),
    unlabelled: pick(unlabelled, plan.unlabelled),
  };
}

/** Whether a plan that was cut off is still worth going on with: nothing that it worked on is gone. */
export const isWhole = (plan: RoundPlan, { train, heldOut }: Planned): boolean =>
  plan.train.length > 0 && train.length === plan.train.length && heldOut.length === plan.heldOut.length;

const names = (samples: readonly { sha256: string }[]): string[] => samples.map(({ sha256 }) => sha256);
