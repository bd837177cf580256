import type { LichenError } from "../../runtime/errors.ts";
import type { StateFile } from "../disk/state-file.ts";
import type { StoredSample } from "../samples/sample.ts";
import type { Sample } from "../samples/store.ts";
import type { StateOf } from "./machine.ts";
import { isWhole, NO_PLAN, type Planned, plannedSamples, planOf, type RoundPlan } from "./plan.ts";
import { assignRoles, forgotten, judges, NO_ROLES, newSamples, type Roles, rolesOf } from "./roles.ts";

export interface MaterialOptions {
  readonly holdOut: number;
  /** So many of the newest unlabelled samples train along. */
  readonly unlabelled: number;
  readonly samples: () => readonly Sample[];
  readonly unlabelledSamples: () => readonly StoredSample[];
  readonly roles: StateFile<Roles>;
  readonly plan: StateFile<RoundPlan>;
}

/** What rounds work on: which samples train, which judge, and what must not be built upon any more. */
export interface Material {
  /** Returns what was damaged on disk. */
  load(): Promise<readonly LichenError[]>;
  /** A round that began before this start goes on: what was forgotten meanwhile is not known by name. */
  takeUp(): void;
  /** Settles what a round trains on, durably: what the interrupted one worked on, where nothing of that is gone. */
  plan(round: {
    id: number;
    interrupted: number | null;
    createdAt: string;
  }): Promise<RoundPlan & { continues?: number }>;
  /** The plan in force. */
  current(): RoundPlan;
  /** Its samples, as they are now. */
  planned(): Planned;
  /** Whether the next round starts from the base: what serves has learnt from something that was taken back. */
  startsAfresh(): boolean;
  judges(): readonly Sample[];
  newSamples(): readonly Sample[];
  /** A training round is at its end: its samples are no longer new. */
  conclude(round: Pick<StateOf<"concluding">, "start" | "outcome">): Promise<void>;
  /** @param isTraining whether the plan is being worked on now  @returns whether that changes anything */
  forget(sha256s: readonly string[], isTraining: boolean): Promise<boolean>;
}

export function createMaterial(options: MaterialOptions): Material {
  let roles = NO_ROLES;
  let plan = NO_PLAN;
  let forgottenMeanwhile: string[] = [];
  let isTakenUp = false;

  async function save(next: Roles): Promise<void> {
    await options.roles.save(next);
    roles = next;
  }

  const planned = () => plannedSamples(plan, options.samples(), options.unlabelledSamples());
  const trains = (sha256s: readonly string[]) => plan.train.some((sha256) => sha256s.includes(sha256));

  return {
    async load() {
      const [used, made] = [await options.roles.load(), await options.plan.load()];
      roles = used.value;
      plan = made.value;
      return [...used.damage, ...made.damage];
    },
    takeUp() {
      isTakenUp = true;
    },
    async plan({ id, interrupted, createdAt }) {
      forgottenMeanwhile = [];
      isTakenUp = false;
      const continues = interrupted !== null && interrupted === plan.id && isWhole(plan, planned()) ? plan.id : null;
      const [labelled, unlabelled] = [options.samples(), options.unlabelledSamples()];
      const newest = unlabelled.slice(unlabelled.length - Math.min(options.unlabelled, unlabelled.length));
      const next =
        continues === null
          ? planOf(id, assignRoles(labelled, roles, options.holdOut), newest, createdAt)
          : { ...plan, id };
      await options.plan.save(next);
      plan = next;
      return { ...plan, ...(continues !== null && { continues }) };
    },
    current: () => plan,
    planned,
    startsAfresh: () => roles.startAfresh === true,
    judges: () => judges(options.samples(), roles),
    newSamples: () => newSamples(options.samples(), roles),
    async conclude({ start, outcome }) {
      const used = forgotten(rolesOf(plannedSamples(plan, options.samples(), [])), forgottenMeanwhile);
      // What was taken back while it was trained on is in no list any more. And what asked for a fresh start still does, unless this was it
      // and serves now.
      const isStillDue = roles.startAfresh && (outcome.tag !== "accepted" || start !== null || isTakenUp);
      await save(trains(forgottenMeanwhile) || isStillDue ? { ...used, startAfresh: true } : used);
    },
    async forget(sha256s, isTraining) {
      forgottenMeanwhile.push(...sha256s);
      const rest = forgotten(roles, sha256s);
      // It may serve before anybody asks again, also after a power cut.
      const next: Roles = isTraining && trains(sha256s) ? { ...rest, startAfresh: true } : rest;
      const isKnown = rest.trained.length + rest.heldOut.length === roles.trained.length + roles.heldOut.length;
      if (isKnown && next.startAfresh === roles.startAfresh) return false;
      await save(next);
      return true;
    },
  };
}
