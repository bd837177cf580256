import * as z from "zod";
import { verdictSchema } from "./job-messages.ts";
import { outcomeSchema } from "./record.ts";
import { NO_SHADOW, type ShadowJudgement, shadowCountsSchema } from "./shadow.ts";

/**
 * A round as a durable state machine. What a state says is on disk before anything is done about it, so after a power cut the machine is
 * told `restarted` in the state that it was in, and gives the effects that are due once more; every effect may be done twice.
 *
 *   idle ─begin─► planned ─► caching ─► training ─verdict─► shadowing ─judged─► committing ─committed─► concluding ─► idle
 *                    ▲            │                    └───► (without a shadow) ───┘                        ▲
 *                    └─── paused ◄┘ put down               rejected, failed, overtaken ─────────────────────┘
 *
 * A restart in `planned`, `caching` or `training` ends the record with ROUND_INTERRUPTED; the plan is kept, and the next round goes on
 * with it from its checkpoint. `paused`, `shadowing`, `committing` and `concluding` go on as the same round.
 */
const about = {
  id: z.int().positive(),
  kind: z.enum(["train", "appraise"]),
  /** sha256 of the adapter to be improved or replaced; null: the base. */
  start: z.string().nullable(),
};

export const roundStateSchema = z.discriminatedUnion("tag", [
  z.strictObject({ tag: z.literal("idle") }),
  /** A plan was cut off, and is made up for by the next round. */
  z.strictObject({ tag: z.literal("interrupted"), id: about.id }),
  z.strictObject({ tag: z.literal("planned"), ...about }),
  z.strictObject({ tag: z.literal("caching"), ...about }),
  z.strictObject({ tag: z.literal("training"), ...about }),
  z.strictObject({ tag: z.literal("paused"), ...about, reason: z.string() }),
  z.strictObject({ tag: z.literal("shadowing"), ...about, verdict: verdictSchema, shadow: shadowCountsSchema }),
  z.strictObject({
    tag: z.literal("committing"),
    ...about,
    verdict: verdictSchema,
    outcome: outcomeSchema,
    shadow: shadowCountsSchema.nullable(),
  }),
  z.strictObject({
    tag: z.literal("concluding"),
    ...about,
    /** null: it ended before there was one. */
    verdict: verdictSchema.nullable(),
    outcome: outcomeSchema,
    shadow: shadowCountsSchema.nullable(),
    /** Whether the candidate must not come back. */
    refuse: z.boolean(),
    next: z.enum(["idle", "interrupted"]),
  }),
]);

export const roundFileSchema = z.strictObject({ format: z.literal(1), state: roundStateSchema });

export type RoundFile = z.infer<typeof roundFileSchema>;
export type RoundState = z.infer<typeof roundStateSchema>;
export type StateOf<T extends RoundState["tag"]> = Extract<RoundState, { tag: T }>;
type Outcome = z.infer<typeof outcomeSchema>;
type Verdict = z.infer<typeof verdictSchema>;

export const NO_ROUND: RoundFile = { format: 1, state: { tag: "idle" } };

export type RoundEvent =
  | {
      readonly tag: "begin";
      readonly id: number;
      readonly kind: "train" | "appraise";
      readonly start: string | null;
      /** Why it cannot start yet, though it was asked for. */
      readonly waitFor: string | null;
    }
  | { readonly tag: "progress"; readonly phase: string }
  /** The training process has put down what it learnt, and is gone. */
  | { readonly tag: "put down"; readonly reason: string }
  | { readonly tag: "resume" }
  | { readonly tag: "verdict"; readonly verdict: Verdict; readonly shadow: boolean }
  | { readonly tag: "counted"; readonly shadow: z.infer<typeof shadowCountsSchema> }
  | { readonly tag: "judged"; readonly judgement: Exclude<ShadowJudgement, { tag: "goes on" }> }
  | { readonly tag: "committed" }
  /** The candidate must not serve, whatever it is worth. */
  | { readonly tag: "objected"; readonly reason: string; readonly explanation: string }
  | { readonly tag: "failed"; readonly code: string; readonly message: string }
  /** From outside, by a stop: what was begun is owed. */
  | { readonly tag: "cut off"; readonly code: string; readonly message: string }
  | { readonly tag: "restarted"; readonly message: string }
  | { readonly tag: "concluded" };

export type RoundEffect =
  /** Starts the training process on the plan. */
  | { readonly tag: "run" }
  /** Opens the second session, and goes on counting. */
  | { readonly tag: "shadow" }
  /** Makes the candidate serve. */
  | { readonly tag: "commit" }
  /** Writes down what came of it. */
  | { readonly tag: "conclude" };

export interface Step {
  readonly state: RoundState;
  readonly effects: readonly RoundEffect[];
}

/** An event that means nothing in a state, as one that comes too late, changes nothing. */
export function step(state: RoundState, event: RoundEvent): Step {
  const react = REACTIONS[state.tag][event.tag] as Reaction<RoundState, RoundEvent> | undefined;
  return react?.(state, event) ?? { state, effects: [] };
}

type Reaction<S, E> = (state: S, event: E) => Step;
type Reactions<S> = { readonly [E in RoundEvent["tag"]]?: Reaction<S, Extract<RoundEvent, { tag: E }>> };

type About = Pick<StateOf<"planned">, "id" | "kind" | "start">;
const aboutOf = ({ id, kind, start }: About): About => ({ id, kind, start });

const rests: Reactions<RoundState> = {
  begin: (_, { id, kind, start, waitFor }) =>
    waitFor === null
      ? { state: { tag: "planned", id, kind, start }, effects: [{ tag: "run" }] }
      : { state: { tag: "paused", id, kind, start, reason: waitFor }, effects: [] },
};

const works: Reactions<StateOf<"planned" | "caching" | "training">> = {
  progress(state, { phase }) {
    const tag = phase === "train" ? "training" : "caching";
    // What is measured after training has begun is no step back.
    if (state.tag === tag || state.tag === "training") return { state, effects: [] };
    return { state: { ...aboutOf(state), tag }, effects: [] };
  },
  "put down": (state, { reason }) => ({ state: { ...aboutOf(state), tag: "paused", reason }, effects: [] }),
  verdict(state, { verdict, shadow }) {
    const { accepted, reason, explanation } = verdict.decision;
    if (!accepted) return conclude(state, { tag: "rejected", reason, explanation }, { verdict, refuse: true });
    if (shadow) {
      return {
        state: { ...aboutOf(state), tag: "shadowing", verdict, shadow: NO_SHADOW },
        effects: [{ tag: "shadow" }],
      };
    }
    return commit(state, verdict, { tag: "accepted", reason, explanation });
  },
  failed: (state, { code, message }) => conclude(state, { tag: "failed", code, message }),
  "cut off": (state, { code, message }) =>
    conclude(state, { tag: "failed", code, message }, { next: state.kind === "train" ? "interrupted" : "idle" }),
  restarted: (state, { message }) =>
    conclude(
      state,
      { tag: "failed", code: "ROUND_INTERRUPTED", message },
      { next: state.kind === "train" ? "interrupted" : "idle" },
    ),
};

const REACTIONS: { readonly [T in RoundState["tag"]]: Reactions<StateOf<T>> } = {
  idle: rests,
  interrupted: rests,
  planned: works,
  caching: works,
  training: works,
  paused: {
    resume: (state) => ({ state: { ...aboutOf(state), tag: "planned" }, effects: [{ tag: "run" }] }),
    failed: (state, { code, message }) => conclude(state, { tag: "failed", code, message }),
  },
  shadowing: {
    counted: (state, { shadow }) => ({ state: { ...state, shadow }, effects: [] }),
    judged(state, { judgement: { tag, reason, explanation } }) {
      const { verdict, shadow } = state;
      if (tag === "passed") {
        // The gate's words stay: the shadow has only not spoken against it.
        const gate = verdict.decision;
        const words = `${gate.explanation}; ${reason}: ${explanation}`;
        return commit(state, verdict, { tag: "accepted", reason: gate.reason, explanation: words }, shadow);
      }
      return conclude(
        state,
        { tag: "rejected", reason, explanation },
        // What had no chance to show itself may come again.
        { verdict, shadow, refuse: reason !== "SHADOW_NO_MEMORY" },
      );
    },
    objected: (state, { reason, explanation }) =>
      conclude(state, { tag: "rejected", reason, explanation }, { verdict: state.verdict, shadow: state.shadow }),
    failed: (state, { code, message }) => conclude(state, { tag: "failed", code, message }),
    restarted: (state) => ({ state, effects: [{ tag: "shadow" }] }),
  },
  committing: {
    committed: (state) => conclude(state, state.outcome, { verdict: state.verdict, shadow: state.shadow }),
    objected: (state, { reason, explanation }) =>
      conclude(state, { tag: "rejected", reason, explanation }, { verdict: state.verdict, shadow: state.shadow }),
    failed: (state, { code, message }) => conclude(state, { tag: "failed", code, message }),
    restarted: (state) => ({ state, effects: [{ tag: "commit" }] }),
  },
  concluding: {
    concluded: ({ next, id }) => ({ state: next === "idle" ? { tag: "idle" } : { tag: next, id }, effects: [] }),
    restarted: (state) => ({ state, effects: [{ tag: "conclude" }] }),
  },
};

const commit = (
  state: About,
  verdict: Verdict,
  outcome: Outcome,
  shadow: StateOf<"committing">["shadow"] = null,
): Step => ({
  state: { ...aboutOf(state), tag: "committing", verdict, outcome, shadow },
  effects: [{ tag: "commit" }],
});

const conclude = (
  state: About,
  outcome: Outcome,
  more: Partial<Pick<StateOf<"concluding">, "verdict" | "shadow" | "refuse" | "next">> = {},
): Step => ({
  state: {
    ...aboutOf(state),
    tag: "concluding",
    verdict: null,
    outcome,
    shadow: null,
    refuse: false,
    next: "idle",
    ...more,
  },
  effects: [{ tag: "conclude" }],
});
