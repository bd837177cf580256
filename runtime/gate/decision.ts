/** Why an adapter was or was not accepted; stable, for logs and fleets. */
export const GATE_REASONS = {
  GAIN: "it is better on local held-out samples and keeps what the base knew",
  NEW_CLASSES: "it knows the new classes and keeps what the base knew",
  OTHER_CLASSES_LEARNT: "it tells the classes apart that take the place of the model's own",
  UNSUPERVISED_GAIN: "it tells local samples that nobody labelled apart more surely, and keeps what the base knew",
  REHEARSAL_ONLY: "there are no local samples to judge by, and it keeps what the base knew",
  NO_GAIN: "it is no better on local held-out samples",
  NEW_CLASSES_MISSED: "it tells the new classes hardly better than chance",
  OTHER_CLASSES_MISSED:
    "it tells the classes that take the place of the model's own hardly better than one answer for all",
  OTHER_CLASSES: "it answers with other classes than what serves now: fold it into a model of its own (lichen merge)",
  COLLAPSED: "it answers with fewer classes than before, as training without labels does when it goes astray",
  FORGETS: "it loses too much of what the base knew",
  NO_EVIDENCE: "there is nothing to judge it by: too few held-out samples and no rehearsal pack",
  TOO_FEW_HELD_OUT: "there are too few held-out samples to judge a locally trained adapter by",
} as const;

export type GateReason = keyof typeof GATE_REASONS;

export interface GateDecision {
  accepted: boolean;
  reason: GateReason;
  explanation: string;
}

const ACCEPTING: ReadonlySet<GateReason> = new Set([
  "GAIN",
  "NEW_CLASSES",
  "OTHER_CLASSES_LEARNT",
  "UNSUPERVISED_GAIN",
  "REHEARSAL_ONLY",
]);

/** @param facts the numbers that it rests on */
export const decide = (reason: GateReason, facts: string): GateDecision => ({
  accepted: ACCEPTING.has(reason),
  reason,
  explanation: `${GATE_REASONS[reason]} (${facts})`,
});
