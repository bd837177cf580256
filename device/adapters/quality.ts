import * as z from "zod";

/**
 * Live quality of one adapter, watched by two cumulative sums: how sure it is, against its own first answers, and how often it is right
 * on samples labelled since, against what its gate saw. A cumulative sum (CUSUM) adds up log-likelihood ratios of "it has dropped"
 * to "it has not", never below 0, and alarms at a bound h: the mean time to a false alarm is then at least e^h observations, and no
 * test that is as seldom wrong is faster.
 * @see Page 1954, Biometrika 41:100; Lorden 1971, Ann. Math. Statist. 42:1897; for right and wrong Reynolds & Stoumbos 1999, J. Qual. Technol. 31:87
 */
export const qualitySchema = z.strictObject({
  adapter: z.string(),
  /** Accuracy that it can be held to; null: nothing is known of it. */
  expected: z.number().nullable(),
  /** Of confidence, over the first answers: squared deviations, products of neighbours' deviations, and the last deviation. */
  baseline: z.strictObject({
    count: z.int().nonnegative(),
    mean: z.number(),
    squares: z.number(),
    products: z.number(),
    last: z.number(),
  }),
  /** Mean confidence of the last answers, the newest weighing most, and the cumulative sum. */
  confidence: z.strictObject({ recent: z.number(), sum: z.number() }),
  labelled: z.strictObject({ count: z.int().nonnegative(), right: z.int().nonnegative(), sum: z.number() }),
});

export type Quality = z.infer<typeof qualitySchema>;

export interface QualityPolicy {
  readonly baseline: number;
  readonly confidenceDrop: number;
  readonly accuracyDrop: number;
}

/** Why an adapter's live quality counts as dropped; stable. */
export const QUALITY_REASONS = {
  LESS_SURE: "its answers have become less sure than they were when it began",
  LESS_RIGHT: "it is wrong on newly labelled samples more often than its gate allowed for",
} as const;

export type QualityReason = keyof typeof QUALITY_REASONS;

export type QualityVerdict =
  | { readonly tag: "well" }
  | { readonly tag: "dropped"; readonly reason: QualityReason; readonly explanation: string };

/** @param score what it scored held out, when it was accepted */
export const watchFrom = (adapter: string, score: { samples: number; accuracy: number } | null): Quality => ({
  adapter,
  expected: score === null || score.samples === 0 ? null : cautious(score.accuracy, score.samples),
  baseline: { count: 0, mean: 0, squares: 0, products: 0, last: 0 },
  confidence: { recent: 0, sum: 0 },
  labelled: { count: 0, right: 0, sum: 0 },
});

/** @param confidence of an answer, 0 to 1 */
export function answered(quality: Quality, confidence: number, policy: QualityPolicy): Quality {
  const { baseline } = quality;
  if (baseline.count < policy.baseline) {
    const grown = extended(baseline, confidence);
    return { ...quality, baseline: grown, confidence: { recent: grown.mean, sum: 0 } };
  }
  const { recent, sum } = quality.confidence;
  // One odd answer, however odd, must not alarm.
  const score = Math.min(OUTLIER, Math.max(-OUTLIER, (confidence - baseline.mean) / spreadOf(baseline)));
  return {
    ...quality,
    confidence: {
      recent: recent + (confidence - recent) / WINDOW,
      // Normal score, its mean lower by SHIFT: ratio of the densities at it, in nats. Answers about one scene count as one.
      sum: Math.max(0, sum - (SHIFT * score + SHIFT ** 2 / 2) / repetition(baseline)),
    },
  };
}

/** @param isRight whether the adapter's answer was the label that somebody gave */
export function labelled(quality: Quality, isRight: boolean, { accuracyDrop }: QualityPolicy): Quality {
  if (quality.expected === null) return quality;
  const { count, right, sum } = quality.labelled;
  const good = quality.expected;
  const bad = Math.max(0.02, good - accuracyDrop);
  const ratio = isRight ? bad / good : (1 - bad) / (1 - good);
  return {
    ...quality,
    labelled: { count: count + 1, right: right + (isRight ? 1 : 0), sum: Math.max(0, sum + Math.log(ratio)) },
  };
}

export function judgeQuality(
  { baseline, confidence, labelled, expected }: Quality,
  policy: QualityPolicy,
): QualityVerdict {
  if (labelled.sum > ALARM.labelled) {
    return dropped(
      "LESS_RIGHT",
      `${labelled.right} of ${labelled.count} right, at least ${percent(expected ?? 0)} expected`,
    );
  }
  const isLess = confidence.recent < baseline.mean - policy.confidenceDrop;
  if (baseline.count >= policy.baseline && isLess && confidence.sum > ALARM.confidence) {
    return dropped("LESS_SURE", `confidence ${percent(confidence.recent)}, at first ${percent(baseline.mean)}`);
  }
  return { tag: "well" };
}

/**
 * Bounds of the two sums. For right and wrong, e^7: at least 1,100 labelled samples to a false alarm, on average. Confidence is neither
 * normal nor independent from one answer to the next, and its baseline is an estimate, so its bound is higher; the tests measure it.
 */
const ALARM = { labelled: 7, confidence: 20 } as const;

/** The change of confidence looked for, in standard deviations. */
const SHIFT = 1;
const OUTLIER = 3;
const WINDOW = 40;

/** A model that is always sure has no spread to speak of: changes below this are none. */
const LEAST_SPREAD = 0.05;

const spreadOf = ({ count, squares }: Quality["baseline"]): number =>
  Math.max(LEAST_SPREAD, Math.sqrt(squares / Math.max(1, count - 1)));

/**
 * How many answers in a row tell as much as one that is independent of the others: a camera sees the same scene several times.
 * Taken from the correlation of neighbours, as if it were an autoregressive process.  @see Priestley 1981, Spectral Analysis, 5.3.2
 */
function repetition({ squares, products }: Quality["baseline"]): number {
  const correlation = squares === 0 ? 0 : Math.min(0.95, Math.max(0, products / squares));
  return (1 + correlation) / (1 - correlation);
}

/** One more value in a mean and a sum of squared deviations. @see Welford 1962, Technometrics 4:419 */
function extended({ count, mean, squares, products, last }: Quality["baseline"], value: number): Quality["baseline"] {
  const next = mean + (value - mean) / (count + 1);
  const deviation = value - next;
  return {
    count: count + 1,
    mean: next,
    squares: squares + (value - mean) * deviation,
    products: products + last * deviation,
    last: deviation,
  };
}

/** A few samples, all right, do not make an adapter infallible: the lower end of one standard error. @see Wilson 1927, JASA 22:209 */
function cautious(accuracy: number, samples: number): number {
  const middle = (accuracy + 1 / (2 * samples)) / (1 + 1 / samples);
  const half = Math.sqrt((accuracy * (1 - accuracy)) / samples + 1 / (4 * samples ** 2)) / (1 + 1 / samples);
  return Math.min(0.97, Math.max(0.05, middle - half));
}

const dropped = (reason: QualityReason, facts: string): QualityVerdict => ({
  tag: "dropped",
  reason,
  explanation: `${QUALITY_REASONS[reason]} (${facts})`,
});

const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
