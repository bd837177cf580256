import * as z from "zod";
import type { ShadowPolicy } from "./config.ts";

const count = z.int().nonnegative();
/** Of one of the two: sums over inferences, in nats, and how often it gave which answer. */
const side = z.strictObject({
  logConfidence: z.number(),
  entropy: z.number(),
  answers: z.record(z.string(), count),
});

/** What has been seen of a candidate beside the current adapter; all of it sums, so that it can be put down and taken up again. */
export const shadowCountsSchema = z.strictObject({
  inferences: count,
  agreements: count,
  current: side,
  candidate: side,
  /** Entropy of the candidate's answer less that of the current adapter's: sum, and sum of squares. */
  rise: z.strictObject({ sum: z.number(), squares: z.number() }),
  /** Samples whose label came, and those among them that only one of the two had right. */
  labelled: z.strictObject({ samples: count, onlyCurrent: count, onlyCandidate: count }),
  seconds: z.number().nonnegative(),
});

export type ShadowCounts = z.infer<typeof shadowCountsSchema>;

const NOTHING = { logConfidence: 0, entropy: 0, answers: {} };

export const NO_SHADOW: ShadowCounts = {
  inferences: 0,
  agreements: 0,
  current: NOTHING,
  candidate: NOTHING,
  rise: { sum: 0, squares: 0 },
  labelled: { samples: 0, onlyCurrent: 0, onlyCandidate: 0 },
  seconds: 0,
};

/** Why a candidate serves or does not, after its time in the shadow; stable. */
export const SHADOW_REASONS = {
  SHADOW_PASSED: "beside the current adapter, on live inferences, nothing spoke against it",
  SHADOW_TOO_FEW:
    "in the time that it had there were too few live inferences to judge it by, and nothing spoke against it",
  SHADOW_NO_MEMORY: "there was no memory for a second session",
  SHADOW_FAILED: "it could not answer a live inference",
  SHADOW_LESS_RIGHT: "it is wrong more often than the current adapter on samples labelled meanwhile",
  SHADOW_LESS_SURE: "its answers are less sure than those of the current adapter",
  SHADOW_COLLAPSED: "it answers with fewer classes than the current adapter",
  SHADOW_DISAGREES: "it answers differently from the current adapter more often than it may",
} as const;

export type ShadowReason = keyof typeof SHADOW_REASONS;

export type ShadowJudgement =
  | { readonly tag: "goes on" }
  | { readonly tag: "passed" | "failed"; readonly reason: ShadowReason; readonly explanation: string };

/** An answer, as far as it is compared. */
export interface Answer {
  readonly label: string;
  readonly probabilities: ArrayLike<number>;
}

/** One inference that both have answered. @param label where somebody has said what was right; such a sample need not be a live one */
export function compared(counts: ShadowCounts, current: Answer, candidate: Answer, label?: string): ShadowCounts {
  const agrees = current.label === candidate.label;
  const rise = entropyOf(candidate) - entropyOf(current);
  const { samples, onlyCurrent, onlyCandidate } = counts.labelled;
  const isOnly = (one: Answer, other: Answer) => (one.label === label && other.label !== label ? 1 : 0);
  return {
    ...counts,
    inferences: counts.inferences + 1,
    agreements: counts.agreements + (agrees ? 1 : 0),
    current: added(counts.current, current),
    candidate: added(counts.candidate, candidate),
    rise: { sum: counts.rise.sum + rise, squares: counts.rise.squares + rise ** 2 },
    ...(label !== undefined && {
      labelled: {
        samples: samples + 1,
        onlyCurrent: onlyCurrent + isOnly(current, candidate),
        onlyCandidate: onlyCandidate + isOnly(candidate, current),
      },
    }),
  };
}

/** Once there is enough to judge by, or time is up. Judged once and not after each inference: who asks often enough finds what he looks for. */
export function judgeShadow(counts: ShadowCounts, policy: ShadowPolicy): ShadowJudgement {
  const { inferences, seconds } = counts;
  const isEnough = inferences >= policy.minInferences;
  if (!isEnough && seconds < policy.maxSeconds) return { tag: "goes on" };
  for (const judge of JUDGES) {
    const found = judge(counts, policy);
    if (found !== null) return shadowed("failed", ...found);
  }
  const facts = `${inferences} inferences, ${percent(1 - disagreement(counts))} alike`;
  return shadowed("passed", isEnough ? "SHADOW_PASSED" : "SHADOW_TOO_FEW", facts);
}

export const shadowed = (tag: "passed" | "failed", reason: ShadowReason, facts: string): ShadowJudgement => ({
  tag,
  reason,
  explanation: `${SHADOW_REASONS[reason]} (${facts})`,
});

/** What speaks against a candidate, or null. */
type Judge = (counts: ShadowCounts, policy: ShadowPolicy) => readonly [ShadowReason, string] | null;

/** Only samples on which the two differ tell them apart. @see McNemar 1947, Psychometrika 12:153; exact, one-sided */
const right: Judge = ({ labelled: { samples, onlyCurrent, onlyCandidate } }) => {
  const differing = onlyCurrent + onlyCandidate;
  if (differing === 0 || tail(differing, onlyCurrent) > SIGNIFICANT) return null;
  return ["SHADOW_LESS_RIGHT", `of ${samples} only it had ${onlyCandidate} right, only the current one ${onlyCurrent}`];
};

/** With 95 % confidence, one-sided: few inferences prove little. */
const sure: Judge = ({ inferences, rise, current, candidate }, { maxEntropyRise }) => {
  if (inferences < FEW) return null;
  const mean = rise.sum / inferences;
  const variance = Math.max(0, rise.squares / inferences - mean ** 2);
  if (mean - 1.645 * Math.sqrt(variance / inferences) <= maxEntropyRise) return null;
  const entropies = [current, candidate].map(({ entropy }) => (entropy / inferences).toFixed(2));
  return ["SHADOW_LESS_SURE", `entropy ${entropies.join(" → ")} nats, mean of ${inferences}`];
};

/**
 * One answer for everything, where the current adapter sees several things, and is as sure of them. Where that one is much less sure, it
 * may only have guessed at the one thing that there was.
 */
const collapsed: Judge = ({ inferences, current, candidate }, { maxEntropyRise }) => {
  if (inferences < FEW || (current.entropy - candidate.entropy) / inferences > maxEntropyRise) return null;
  const [was, is] = [spread(current.answers), spread(candidate.answers)];
  return is >= was / 4
    ? null
    : ["SHADOW_COLLAPSED", `entropy of the answers ${was.toFixed(2)} → ${is.toFixed(2)} nats`];
};

const disagrees: Judge = (counts, { maxDisagreement }) => {
  if (maxDisagreement === undefined || counts.inferences < FEW || disagreement(counts) <= maxDisagreement) return null;
  return ["SHADOW_DISAGREES", `${percent(disagreement(counts))} of ${counts.inferences}`];
};

/** Labels before guesses. */
const JUDGES: readonly Judge[] = [right, sure, collapsed, disagrees];

const SIGNIFICANT = 0.05;
/** Below so many inferences nothing is said of means. */
const FEW = 10;

const disagreement = ({ inferences, agreements }: ShadowCounts): number =>
  inferences === 0 ? 0 : 1 - agreements / inferences;

const added = ({ logConfidence, entropy, answers }: ShadowCounts["current"], answer: Answer) => ({
  logConfidence: logConfidence + Math.log(Math.max(TINY, ...Array.from(answer.probabilities))),
  entropy: entropy + entropyOf(answer),
  answers: { ...answers, [answer.label]: (answers[answer.label] ?? 0) + 1 },
});

const TINY = 1e-12;

const entropyOf = ({ probabilities }: Answer): number => entropy(Array.from(probabilities));

function spread(answers: Readonly<Record<string, number>>): number {
  const counts = Object.values(answers);
  const all = counts.reduce((sum, one) => sum + one, 0);
  return entropy(counts.map((one) => one / all));
}

/** In nats. */
const entropy = (shares: readonly number[]): number =>
  -shares.reduce((sum, share) => sum + (share <= 0 ? 0 : share * Math.log(share)), 0);

/** Chance of at least `heads` heads in so many throws of a fair coin. */
function tail(throws: number, heads: number): number {
  let term = 0.5 ** throws;
  let sum = heads === 0 ? term : 0;
  for (let at = 1; at <= throws; at++) {
    term *= (throws - at + 1) / at;
    if (at >= heads) sum += term;
  }
  return sum;
}

const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
