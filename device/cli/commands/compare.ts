import { Command, Option } from "commander";
import type { ComparedMethod, OfflineCompareOptions, OfflineCompareResult } from "../../offline/compare.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { interruptible } from "../interrupt.ts";
import { progressBar } from "../progress.ts";
import { count, learningRate, list } from "../quantities.ts";
import { bytes, facts, percent, show, table, wrapped } from "../terminal.ts";

interface CompareOptions extends OfflineCompareOptions {
  readonly json?: true;
  readonly lr?: number | "auto";
}

/** `lichen compare`: every method side by side. */
export const addCompare: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("compare")
      .description("train with every method on the same samples: accuracy and cost side by side")
      .requiredOption("--model <folder>", "the model package")
      .requiredOption("--data <folder>", "labelled samples, one folder a class")
      .option("--val <folder>", "samples to measure with, and nothing else; else a held-out part of --data")
      .option("--methods <methods>", "with commas between, such as head,bias+scale,lora:rank=8 (default all)", list)
      .option("--targets <patterns>", "layers to train, with commas between; «*» stands for anything", list)
      .option("--seeds <n>", "runs of each method (default 1)", count)
      .option("--epochs <n>", "passes over the samples", count)
      .option("--batch <n>", "samples a step", count)
      .option("--lr <rate>", "learning rate, or auto", learningRate)
      .option("--threads <n>", "threads (default 1)", count)
      .option("--svg <file>", "where a plot of accuracy against cost goes")
      .addOption(new Option("--cost <cost>", "what the plot shows as cost").choices(["seconds", "memory", "adapter"]))
      .addOption(jsonOption())
      .action(async ({ json, lr, ...options }: CompareOptions) => {
        const { runOfflineCompare } = await import("../../offline/compare.ts");
        const bar = progressBar(terminal);
        const asked = { ...options, ...(lr !== undefined && { learningRate: lr }) };
        const result = await interruptible((signal) => runOfflineCompare(asked, bar.show, signal)).finally(bar.stop);
        show(terminal, json === true, result, readable(result));
      }),
  );

function readable(result: OfflineCompareResult): string {
  const { base, methods, failed, seeds, svg, measuredOn, samples } = result;
  const rows = methods.toSorted((a, b) => b.accuracy.mean - a.accuracy.mean).map((each) => row(each, seeds));
  return [
    facts([
      ["model", `${result.model}, ${percent(base.accuracy)} as it is`],
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
    Number(each.seconds.total.mean.toPrecision(3)),
    bytes(each.trainingStateBytes.predicted),
    seeds === 1 ? (each.accepted === 1 ? "accepted" : "refused") : `${each.accepted} of ${seeds}`,
  ];
}
