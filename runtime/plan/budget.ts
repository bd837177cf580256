import { LichenError } from "../errors.ts";
import type { Prediction } from "./predict.ts";

/** What training may take; what is not said is not bounded. */
export interface Budget {
  /** Training state. */
  memoryBytes?: number | undefined;
  /** Of the training itself, on this machine; bounds nothing where the machine's throughput is not known. */
  seconds?: number | undefined;
  adapterBytes?: number | undefined;
  /** Work of a step, in inferences of the base over the same batch. */
  inferences?: number | undefined;
}

/** A bound that a plan does not keep. */
export interface Excess {
  what: "memory" | "seconds" | "adapter" | "work";
  predicted: number;
  allowed: number;
}

/** Where a prediction lies beyond the budget; nowhere when it fits. */
export const excesses = (prediction: Prediction, budget: Budget): Excess[] =>
  bounds(prediction, budget).filter(({ predicted, allowed }) => predicted > allowed);

/** How far a plan is over its budget where it is worst: 1 and below fits. */
export const strain = (prediction: Prediction, budget: Budget): number =>
  Math.max(0, ...bounds(prediction, budget).map(({ predicted, allowed }) => predicted / allowed));

function bounds({ trainingStateBytes, seconds, adapterBytes, inferences }: Prediction, budget: Budget): Excess[] {
  const all = [
    ["memory", trainingStateBytes, budget.memoryBytes],
    ["seconds", seconds?.training, budget.seconds],
    ["adapter", adapterBytes, budget.adapterBytes],
    ["work", inferences, budget.inferences],
  ] as const;
  return all.flatMap(([what, predicted, allowed]) =>
    predicted !== undefined && allowed !== undefined ? [{ what, predicted, allowed }] : [],
  );
}

/**
 * The refusal of a plan that takes too much.
 * @param nearest what fits, in words; null where nothing near the plan does
 * @param least the prediction of the least that was tried
 */
export function overBudget(
  exceeded: readonly Excess[],
  nearest: string | null,
  least: Prediction,
  budget: Budget,
): LichenError {
  const each = (found: readonly Excess[], show: (excess: Excess) => string) => found.map(show).join(", ");
  const leastOf = bounds(least, budget).filter(({ what }) => exceeded.some((excess) => excess.what === what));
  return new LichenError("BUDGET_EXCEEDED", {
    at: each(exceeded, ({ what }) => what),
    found: each(exceeded, ({ what, predicted }) => amount(what, predicted)),
    wanted: each(exceeded, ({ what, allowed }) => `at most ${amount(what, allowed)}`),
    todo:
      nearest === null
        ? `allow it more: the least near this plan takes ${each(leastOf, ({ what, predicted }) => amount(what, predicted))}`
        : `train what fits: ${nearest}`,
  });
}

const AMOUNTS: Readonly<Record<Excess["what"], (value: number) => string>> = {
  memory: binary,
  adapter: binary,
  seconds: (value) => `${value.toPrecision(3)} s`,
  work: (value) => `${value.toPrecision(2)} inferences a step`,
};

const amount = (what: Excess["what"], value: number): string => AMOUNTS[what](value);

/** In the units that bounds are given in; below a kibibyte, where a unit was forgotten, to the byte. */
function binary(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
