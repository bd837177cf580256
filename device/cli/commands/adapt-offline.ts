import type { Option } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import type { OfflineAdaptOptions } from "../../offline/adapt.ts";
import { BUDGET_OPTIONS, type BudgetOptions, splitBudget } from "../budget.ts";
import { interruptible } from "../interrupt.ts";
import { CHOICES, type OptionRow, optionsUnder, renamed } from "../options.ts";
import { progressBar } from "../progress.ts";
import { count, learningRate, list, number, share, sizeInBytes, weight } from "../quantities.ts";
import { show, type Terminal } from "../terminal.ts";
import { readableAdapt } from "./adapt-readable.ts";

/** The options of `lichen adapt --model`, as commander hands them over. */
export interface OfflineCommandOptions extends BudgetOptions {
  readonly json?: true;
  readonly model?: string;
  readonly [option: string]: unknown;
}

const OPTIONS: Readonly<Record<string, readonly OptionRow[]>> = {
  "Without a daemon, from and to files:": [
    ["--model <folder>", "the model package"],
    ["--data <folder>", "samples, one folder a class; files beside them, or in _unlabelled, have no label"],
    ["--val <folder>", "held-out samples; else a part of --data is held out"],
    ["--out <file>", "where the adapter goes"],
    ["--start <file>", "an adapter to go on from"],
    ["--cache <folder>", "keep activations there, for more samples than memory holds and for the next run"],
    ["--cache-size <size>", "at most so much (default 4GiB)", sizeInBytes],
    ["--fresh", "begin anew where an interrupted run would go on"],
  ],
  "What is learnt:": [
    ["--method <method>", "such as lora:rank=8, or adaptive (default head+bias; without labels bias+scale)"],
    ["--targets <patterns>", "layers to train, with commas between; «*» stands for anything", list],
    [
      "--classes <what>",
      "where folders name others than the model's: extend adds them, replace drops the model's own (default keep: an error)",
      CHOICES.classes,
    ],
    [
      "--loss <loss>",
      "what is lowered; follows from the labels by default; bce takes folders such as cat+dog, and _none",
      CHOICES.loss,
    ],
    [
      "--align",
      "the place looks or sounds otherwise for good: begin by aligning with the rehearsal pack, and do not keep it",
    ],
    ["--label-smoothing <share>", "of certainty that is given to the other classes (default 0)", share],
    ["--distillation <weight>", "of the base's own opinion, or auto: 1 with classes beside its own, else 0", weight],
    ["--rehearsal-mix <n>", "rehearsed samples for each local one (default 0.5)", number],
    ["--no-balance", "show rare classes as seldom as they are"],
    ["--views <n>", "augmented views of each sample (default 0)", count],
    ["--hold-out <share>", "of the samples, to judge by (default 0.2)", share],
  ],
  "What it may take, else it is refused:": BUDGET_OPTIONS,
  "How it is trained:": [
    ["--epochs <n>", "passes over the samples (default 15)", count],
    ["--patience <n>", "epochs without gain after which it ends (default 8)", count],
    ["--batch <n>", "samples a step (default 16)", count],
    ["--lr <rate>", "learning rate, or auto: it is found by trying (default)", learningRate],
    ["--schedule <schedule>", "of the learning rate, cosine by default", CHOICES.schedule],
    ["--optimizer <optimizer>", "adam by default", CHOICES.optimizer],
    ["--seed <n>", "fixes every random choice (default 1)", number],
    ["--threads <n>", "threads (default 1)", count],
  ],
};

export const offlineAdaptOptions = (): Option[] => optionsUnder(OPTIONS);

/** Where the command's name for a thing is not the engine's. */
const NAMES = { lr: "learningRate", cacheSize: "cacheBytes" };

/** Trains and writes an adapter; the exit code is 0 whatever the gate says of it, since the file is there to be looked at. */
export async function adaptOffline(options: OfflineCommandOptions, terminal: Terminal): Promise<void> {
  const asked = askedOf(options);
  const { runOfflineAdapt } = await import("../../offline/adapt.ts");
  const bar = progressBar(terminal);
  const note = (text: string) => {
    bar.stop();
    terminal.notes.write(`${text}\n`);
  };
  const result = await interruptible((signal) => runOfflineAdapt(asked, { progress: bar.show, note }, signal)).finally(
    bar.stop,
  );
  show(terminal, options.json === true, result, readableAdapt(result, asked));
}

/** What the options ask for, each under the engine's name for it; the table above has read and checked their text. */
export function askedOf(options: OfflineCommandOptions): OfflineAdaptOptions {
  const [budget, { json: _, socket: __, balance, ...given }] = splitBudget(options);
  for (const name of ["model", "data", "out"]) required(name, given[name]);
  return {
    ...renamed<OfflineAdaptOptions>(given, NAMES),
    balance: balance === false ? "off" : "on",
    ...(Object.keys(budget).length > 0 && { budget }),
  };
}

/** Only without a daemon: commander, which knows one list of options, cannot say so. */
function required(name: string, value: unknown): void {
  if (value === undefined)
    throw new LichenError("BAD_ARGUMENT", { at: "lichen adapt --model", found: "no value", wanted: `--${name}` });
}
