import type { Confidence, LossScore, Metrics, Score } from "../adapter/adapter.ts";
import { decide, type GateDecision } from "./decision.ts";

export interface GatePolicy {
  /** Held-out samples below which local scores say too little to judge by. */
  minHeldOut: number;
  /** Accuracy on what the base knew that may be lost, as a fraction. */
  maxForgetting: number;
  /** Where there is no accuracy: by which fraction the loss on the rehearsal pack may rise. */
  maxLossRise?: number;
  /** Without labels: by which fraction the entropy of the mean prediction may fall. */
  maxCollapse?: number;
}

export const DEFAULT_GATE = {
  minHeldOut: 5,
  maxForgetting: 0.03,
  maxLossRise: 0.1,
  maxCollapse: 0.2,
} as const satisfies GatePolicy;

/** Where an adapter comes from: one trained here must prove a gain here, one from a peer may come before any local sample does. */
export type Origin = "local" | "peer";

export interface Trial {
  before: Metrics;
  after: Metrics;
  origin: Origin;
  /** Whether the model's own classes are gone. */
  replaced: boolean;
  policy: Required<GatePolicy>;
}

/** Decides, or has nothing to judge by. */
type Judge = (trial: Trial) => GateDecision | null;

/** What the base knew must stay, whatever has been gained. */
const forgetting: Judge = ({ before, after, policy }) => {
  if (before.rehearsal && after.rehearsal && loses(before.rehearsal, after.rehearsal, policy.maxForgetting)) {
    return decide("FORGETS", `rehearsal: ${change(before.rehearsal, after.rehearsal)}`);
  }
  const [was, is] = [before.losses?.rehearsal, after.losses?.rehearsal];
  if (was && is && !(is.loss <= was.loss * (1 + policy.maxLossRise) + 1e-9)) {
    return decide("FORGETS", `rehearsal: ${lossChange(was, is)}`);
  }
  return null;
};

/** Classes in the place of the model's own: nothing is lost with those, but the new ones must be told better than by one answer for all. */
const otherClasses: Judge = (trial) => {
  const { before, after, replaced, policy } = trial;
  const now = after.heldOut;
  if (!replaced || before.heldOut || !now?.perClass || now.samples < policy.minHeldOut) return null;
  const most = Math.max(...Object.values(now.perClass).map(({ samples }) => samples));
  if (most === now.samples) return decide("NO_EVIDENCE", `${now.samples} held-out samples, all of one class`);
  const facts = `held out: ${percent(now)} of ${now.samples}; the most frequent class alone: ${inPercent(most / now.samples)}`;
  return decide(beatsChance(now, most / now.samples) ? "OTHER_CLASSES_LEARNT" : "OTHER_CLASSES_MISSED", facts);
};

/** Classes that the base has no output for: they have no «before», but must beat chance, and the old ones must not pay for it. */
const newClasses: Judge = (trial) => {
  const { before, after, replaced, policy } = trial;
  const now = after.heldOut?.perClass;
  if (!now || (before.heldOut && !before.heldOut.perClass)) return null;
  const known = before.heldOut?.perClass ?? {};
  const [old, fresh] = [true, false].map((wanted) => Object.keys(now).filter((name) => name in known === wanted));
  if (fresh!.length === 0) return null;

  const [oldBefore, oldAfter, newAfter] = [total(known, old!), total(now, old!), total(now, fresh!)];
  const facts = `old classes: ${change(oldBefore, oldAfter)}; new: ${percent(newAfter)} of ${newAfter.samples}`;
  if (oldAfter.samples > 0 && loses(oldBefore, oldAfter, policy.maxForgetting)) return decide("FORGETS", facts);
  if (oldAfter.samples === 0 && !keepsProof(after) && !replaced)
    return decide("NO_EVIDENCE", `no sample of an old class; ${facts}`);
  if (newAfter.samples < policy.minHeldOut) return lacking(trial, newAfter.samples);
  const chance = 1 / Math.max(2, Object.keys(now).length);
  return decide(beatsChance(newAfter, chance) ? "NEW_CLASSES" : "NEW_CLASSES_MISSED", facts);
};

/** A gain is more samples right, or as many with a lower loss. */
const labelled: Judge = ({ before: { heldOut: was }, after: { heldOut: is }, policy }) => {
  if (!was || !is || is.samples < policy.minHeldOut) return null;
  const gained = is.accuracy > was.accuracy || (is.accuracy === was.accuracy && is.loss < was.loss);
  const facts = was.accuracy === is.accuracy ? `${change(was, is)}, ${lossChange(was, is)}` : change(was, is);
  return decide(gained ? "GAIN" : "NO_GAIN", `held out: ${facts}`);
};

/** Where there is no right or wrong, such as with several labels or a reconstruction, a gain is a lower loss. */
const measured: Judge = ({ before, after, policy }) => {
  const [was, is] = [before.losses?.heldOut, after.losses?.heldOut];
  if (!was || !is || is.samples < policy.minHeldOut) return null;
  return decide(is.loss < was.loss ? "GAIN" : "NO_GAIN", `held out: ${lossChange(was, is)}`);
};

/**
 * Being sure proves little: it takes a rehearsal pack that shows nothing is lost, and answers that stay as varied as before.
 * @see Wang et al. 2021, arXiv:2006.10726; for collapse Niu et al. 2023, arXiv:2302.12400
 */
const unlabelled: Judge = ({ before, after, policy }) => {
  const [was, is] = [before.confidence, after.confidence];
  if (!was || !is || is.samples < policy.minHeldOut) return null;
  if (!keepsProof(after)) return decide("NO_EVIDENCE", `${is.samples} samples, none of them labelled`);
  const facts = [
    `entropy ${was.entropy.toFixed(2)} → ${is.entropy.toFixed(2)}`,
    `of the mean ${was.marginalEntropy.toFixed(2)} → ${is.marginalEntropy.toFixed(2)}`,
    `most frequent class ${inPercent(was.topShare)} → ${inPercent(is.topShare)} of ${is.samples}`,
  ].join("; ");
  if (!(is.marginalEntropy >= was.marginalEntropy * (1 - policy.maxCollapse))) return decide("COLLAPSED", facts);
  return decide(information(is) > information(was) ? "UNSUPERVISED_GAIN" : "NO_GAIN", facts);
};

/** What the answers say of the samples, nats: sure of each, and not of one class for all. @see Liang et al. 2020, arXiv:2002.08546 */
const information = ({ entropy, marginalEntropy }: Confidence): number => marginalEntropy - entropy;

/** In this order: what forbids comes before what allows, and labels before guesses. */
export const JUDGES: readonly Judge[] = [forgetting, otherClasses, newClasses, labelled, measured, unlabelled];

/** The decision where local samples say nothing. */
export function lacking({ after, origin, policy }: Trial, samples = after.heldOut?.samples): GateDecision {
  const count = samples ?? after.losses?.heldOut?.samples ?? after.confidence?.samples ?? 0;
  const found = `${count} held-out samples of at least ${policy.minHeldOut}`;
  if (origin === "local") return decide("TOO_FEW_HELD_OUT", found);
  return decide(keepsProof(after) ? "REHEARSAL_ONLY" : "NO_EVIDENCE", found);
}

/** Whether anything has shown that what the base knew is kept. */
const keepsProof = ({ rehearsal, losses }: Metrics): boolean => Boolean(rehearsal ?? losses?.rehearsal);

type Count = Pick<Score, "samples" | "accuracy">;

// One sample of a small pack may weigh more than the allowance; losing it alone is no forgetting.
const loses = (before: Count, after: Count, allowed: number): boolean =>
  before.accuracy - after.accuracy > Math.max(allowed, 1 / after.samples) + 1e-9;

function total(perClass: NonNullable<Score["perClass"]>, names: readonly string[]): Count {
  const sum = (key: "samples" | "correct") => names.reduce((found, name) => found + perClass[name]![key], 0);
  return { samples: sum("samples"), accuracy: sum("correct") / Math.max(1, sum("samples")) };
}

/** Whether guessing would be right so often in fewer than one case of twenty: the upper tail of the binomial distribution. */
function beatsChance({ samples, accuracy }: Count, chance: number): boolean {
  const correct = Math.round(accuracy * samples);
  // Logarithms, because the first terms of many samples are too small for a number.
  let logProbability = samples * Math.log(1 - chance);
  let below = 0;
  for (let hits = 0; hits < correct; hits++) {
    below += Math.exp(logProbability);
    logProbability += Math.log(((samples - hits) / (hits + 1)) * (chance / (1 - chance)));
  }
  return 1 - below < 0.05;
}

const inPercent = (share: number): string => `${(share * 100).toFixed(1)} %`;

const percent = ({ accuracy }: Count): string => inPercent(accuracy);

const change = (before: Count, after: Count): string => `${percent(before)} → ${percent(after)} of ${after.samples}`;

const lossChange = (before: LossScore, after: LossScore): string =>
  `loss ${before.loss.toPrecision(3)} → ${after.loss.toPrecision(3)} of ${after.samples}`;
