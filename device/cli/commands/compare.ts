import { Command } from "commander";
import type { ComparedMethod, OfflineCompareOptions, OfflineCompareResult } from "../../offline/compare.ts";
import { BUDGET_OPTIONS, type BudgetOptions, splitBudget } from "../budget.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { interruptible } from "../interrupt.ts";
import { CHOICES, type OptionRow, optionsUnder } from "../options.ts";
import { progressBar } from "../progress.ts";
import { count, learningRate, list } from "../quantities.ts";
import { bytes, facts, percent, show, table, wrapped } from "../terminal.ts";

interface CompareOptions extends Omit<OfflineCompareOptions, "budget">, BudgetOptions {
  readonly json?: true;
  readonly lr?: number | "auto";
}

const OPTIONS: Readonly<Record<string, readonly OptionRow[]>> = {
  "What is compared:": [
    ["--methods <methods>", "with commas between, such as head,bias+scale,lora:rank=8 (default all)", list],
    ["--val <folder>", "samples to measure with, and nothing else; else a held-out part of --data"],
    ["--targets <patterns>", "layers to train, with commas between; «*» stands for anything", list],
    [
      "--classes <what>",
      "where folders name others than the model's: extend, replace (default keep: an error)",
      CHOICES.classes,
    ],
    ["--seeds <n>", "runs of each method (default 1)", count],
    ["--svg <file>", "where a plot of accuracy against cost goes"],
    ["--cost <cost>", "what the plot shows as cost (default seconds)", ["seconds", "memory", "adapter"]],
  ],
  "What each may take, else it is left out:": BUDGET_OPTIONS,
  "How it is trained:": [
    ["--epochs <n>", "passes over the samples (default 15)", count],
    ["--batch <n>", "samples a step (default 16)", count],
    ["--lr <rate>", "learning rate, or auto: it is found by trying (default)", learningRate],
    ["--threads <n>", "threads (default 1)", count],
  ],
};

/** `lichen compare`: every method side by side. */
export const addCompare: AddCommand = (program, terminal) => {
  const command = new Command("compare")
    .description("train with every method on the same samples: accuracy and cost side by side")
    .requiredOption("--model <folder>", "the model package")
    .requiredOption("--data <folder>", "labelled samples, one folder a class")
    .addOption(jsonOption());
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  command.action(async (options: CompareOptions) => {
    const [budget, { json, lr, ...rest }] = splitBudget(options);
    const asked = { ...rest, budget, ...(lr !== undefined && { learningRate: lr }) };
    const { runOfflineCompare } = await import("../../offline/compare.ts");
    const bar = progressBar(terminal);
    const result = await interruptible((signal) => runOfflineCompare(asked, bar.show, signal)).finally(bar.stop);
    show(terminal, json === true, result, readable(result));
  });
  program.addCommand(command);
};

function readable(result: OfflineCompareResult): string {
  const { base, methods, failed, seeds, svg, measuredOn, samples } = result;
  const rows = methods.toSorted((a, b) => b.accuracy.mean - a.accuracy.mean).map((each) => row(each, seeds));
  return [
    facts([
      [
        "model",
        `${result.model}, ${base.accuracy === null ? "which has other classes" : `${percent(base.accuracy)} as it is`}`,
      ],
      ["samples", `${samples}; measured on ${measuredOn.samples} (${measuredOn.from})`],
      ...(svg === null ? [] : [["plot", svg] as const]),
    ]),
    table(["method", "accuracy", "parameters", "adapter", "seconds", "state", "gate"], rows),
    ...failed.map(({ method, reason }) => wrapped(`${method}: ${reason}`, 80).join("\n")),
  ].join("\n\n");
}

function row(each: ComparedMethod, seeds: number): (string | number)[] {
  const { mean, deviation } = each.accuracy;
  return [
    each.method,
    seeds === 1 ? percent(mean) : `${percent(mean)} ± ${(deviation * 100).toFixed(1)}`,
    each.trainableParameters,
    bytes(each.adapterBytes),
    each.seconds.total.mean.toFixed(2),
    bytes(each.trainingStateBytes.predicted),
    seeds === 1 ? (each.accepted === 1 ? "accepted" : "refused") : `${each.accepted} of ${seeds}`,
  ];
}
