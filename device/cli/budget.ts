import type { Budget } from "../../runtime/plan/index.ts";
import type { OptionRow } from "./options.ts";
import { durationInSeconds, sizeInBytes } from "./quantities.ts";

/** What training may take, as commander hands it over. */
export interface BudgetOptions {
  readonly budgetMemory?: number;
  readonly budgetSeconds?: number;
  readonly budgetAdapter?: number;
}

export const BUDGET_OPTIONS: readonly OptionRow[] = [
  ["--budget-memory <size>", "bound of the training state, such as 32MiB", sizeInBytes],
  ["--budget-seconds <duration>", "bound of the training on this machine, such as 60 or 2min", durationInSeconds],
  ["--budget-adapter <size>", "bound of the adapter, such as 64KiB", sizeInBytes],
];

/** What was said of it, apart from the other options. */
export function splitBudget<T extends BudgetOptions>(options: T): [budget: Budget, rest: Omit<T, keyof BudgetOptions>] {
  const { budgetMemory, budgetSeconds, budgetAdapter, ...rest } = options;
  const budget = {
    ...(budgetMemory !== undefined && { memoryBytes: budgetMemory }),
    ...(budgetSeconds !== undefined && { seconds: budgetSeconds }),
    ...(budgetAdapter !== undefined && { adapterBytes: budgetAdapter }),
  };
  return [budget, rest];
}
