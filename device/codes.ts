import { ERRORS } from "../runtime/errors.ts";
import { GATE_REASONS, type GateReason } from "../runtime/gate/decision.ts";
import { OBJECTIONS, type Objection, REVERT_REASONS, type RevertReason } from "./adapters/standing.ts";
import { REASONS } from "./governor/reasons.ts";
import { SHADOW_REASONS, type ShadowReason } from "./rounds/shadow.ts";

/** What a code says, and what a person can do about it. */
export interface Meaning {
  readonly explanation: string;
  readonly todo: string;
}

/** Codes by what they are said of. Some say the same of two things, in other words: `LESS_RIGHT`, `PINNED`. */
export const SUBJECTS = ["round", "adapter", "error"] as const;
export type Subject = (typeof SUBJECTS)[number];

/** Null: a code of a later version, or none at all. */
export function meaningOf(code: string, of: Subject): Meaning | null {
  if (!Object.hasOwn(MEANINGS[of], code)) return null;
  // A reason's row holds more than its words.
  const { explanation, todo } = MEANINGS[of][code]!;
  return { explanation, todo };
}

/** Everything that a code means, whatever it is said of. */
export const meaningsOf = (code: string): Meaning[] => {
  const found = SUBJECTS.flatMap((of) => meaningOf(code, of) ?? []);
  return found.filter(
    (meaning, at) => found.findIndex(({ explanation }) => explanation === meaning.explanation) === at,
  );
};

export const allCodes = (): string[] => [...new Set(SUBJECTS.flatMap((of) => Object.keys(MEANINGS[of])))].sort();

const NOTHING = "nothing: it is as it should be";

/** What to do about a verdict on a candidate; the tables of the verdicts say what each means. */
const ROUND_TODO = {
  GAIN: NOTHING,
  NEW_CLASSES: NOTHING,
  OTHER_CLASSES_LEARNT: NOTHING,
  UNSUPERVISED_GAIN: NOTHING,
  REHEARSAL_ONLY: "label some samples, so that the next one is judged by them",
  NO_GAIN: "nothing, if the board is right often enough; else label more, and see in `lichen samples` for wrong labels",
  NEW_CLASSES_MISSED: "collect more samples of the new classes, and see whether their labels are right",
  OTHER_CLASSES_MISSED: "collect more samples of each class, and see whether their labels are right",
  OTHER_CLASSES: "fold the adapter into a model of its own with `lichen merge`, and configure that",
  COLLAPSED: "label some samples of each class: without labels, training goes astray when classes are missing",
  FORGETS: "collect samples of the classes that were lost, choose a smaller method, or raise gate.maxForgetting",
  NO_EVIDENCE: "label more samples, or use a model package with a rehearsal pack",
  TOO_FEW_HELD_OUT:
    "label more samples: a share of each class judges (training.holdOut), and gate.minHeldOut are wanted",
  SHADOW_PASSED: NOTHING,
  SHADOW_TOO_FEW: "nothing; where few inferences are made, raise shadow.maxSeconds",
  SHADOW_NO_MEMORY: "free memory, or set shadow.whenMemoryIsShort; the candidate may come again",
  SHADOW_FAILED: "see `lichen logs`; the candidate was not served",
  SHADOW_LESS_RIGHT: "see in `lichen samples` for wrong labels; the current adapter goes on serving",
  SHADOW_LESS_SURE: "label more samples of what the board sees now; the current adapter goes on serving",
  SHADOW_COLLAPSED: "label samples of every class; the current adapter goes on serving",
  SHADOW_DISAGREES: "nothing, or raise shadow.maxDisagreement; the current adapter goes on serving",
  SAME_AS_REFUSED: "label more samples, or serve it against that judgement with `lichen use`",
  STARTS_FROM_REFUSED: "nothing: the next round starts from what serves now",
  PINNED: "`lichen use --auto` lets what is learnt serve again",
} satisfies Record<GateReason | ShadowReason | Objection, string>;

const ADAPTER_TODO = {
  CRASH_LOOP: "see `lichen logs` for what ended the daemon; `lichen use` brings the adapter back",
  LESS_RIGHT: "nothing: what served before serves again; label more samples of what the board sees now",
  LESS_SURE: "nothing: what served before serves again; see whether camera or microphone have changed",
  ROLLED_BACK: "nothing: it stays out of service; `lichen use` brings it back",
} satisfies Record<RevertReason, string>;

const together = <C extends string>(explanations: Readonly<Record<C, string>>, todos: Readonly<Record<C, string>>) =>
  Object.fromEntries(
    (Object.keys(explanations) as C[]).map((code) => [code, { explanation: explanations[code], todo: todos[code] }]),
  );

const VERDICTS = together({ ...GATE_REASONS, ...SHADOW_REASONS, ...OBJECTIONS }, ROUND_TODO);

const MEANINGS: Readonly<Record<Subject, Readonly<Record<string, Meaning>>>> = {
  round: { ...VERDICTS, ...REASONS },
  // An adapter is refused for what its round said, too.
  adapter: { ...VERDICTS, ...together(REVERT_REASONS, ADAPTER_TODO) },
  error: Object.fromEntries(Object.entries(ERRORS).map(([code, [explanation, todo]]) => [code, { explanation, todo }])),
};
