import type { GatePolicy } from "../../runtime/index.ts";
import type { Sample } from "../samples/store.ts";
import type { Job } from "./job.ts";
import type { Planned, RoundPlan } from "./plan.ts";

/** What every job is told. */
export interface JobSettings {
  readonly model: string;
  readonly method: string;
  readonly epochs?: number | undefined;
  readonly align?: boolean;
  readonly seed: number;
  readonly threads: number;
  readonly gate: GatePolicy;
  readonly board: string;
  /** Where the training process leaves its candidate, and where one of the fleet lies. */
  readonly candidate: string;
  readonly checkpoint?: string;
  readonly cache?: { readonly folder: string; readonly maxBytes: number };
}

/** @param work what is trained on, or what may judge an adapter of the fleet.  @param start path of what serves now; undefined: the base */
export function jobOf(
  { candidate, epochs, board, ...settings }: JobSettings,
  start: string | undefined,
  work: Planned | { readonly judges: readonly Sample[] },
  { createdAt }: RoundPlan,
): Job {
  if ("judges" in work) {
    const { model, threads, gate } = settings;
    const samples = work.judges.map(pathAndLabel);
    return {
      kind: "appraise",
      model,
      samples,
      candidate,
      threads,
      gate,
      ...(start !== undefined && { incumbent: start }),
    };
  }
  return {
    ...settings,
    kind: "train",
    samples: [...work.train.map(pathAndLabel), ...work.unlabelled.map(({ path }) => ({ path, label: null }))],
    heldOut: work.heldOut.map(pathAndLabel),
    ...(epochs !== undefined && { epochs }),
    ...(start !== undefined && { start }),
    output: candidate,
    board,
    createdAt,
  };
}

const pathAndLabel = ({ path, label }: Sample) => ({ path, label });
