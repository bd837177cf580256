import { Command, Option } from "commander";
import type { OfflineEvalOptions, OfflineEvalResult } from "../../offline/eval.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { interruptible } from "../interrupt.ts";
import { CHOICES } from "../options.ts";
import { count } from "../quantities.ts";
import { facts, percent, short, show, table } from "../terminal.ts";

interface EvalOptions extends OfflineEvalOptions {
  readonly json?: true;
}

/** `lichen eval`: how well a model does on a folder of samples, without a daemon. */
export const addEval: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("eval")
      .description("measure a model, with or without an adapter, on samples")
      .requiredOption("--model <model>", "package folder, or a merged .onnx")
      .requiredOption("--data <folder>", "labelled samples, one folder a class")
      .option("--adapter <file>", "adapter to fold in first")
      .addOption(new Option("--loss <loss>", "what the model was made for, if not for one class").choices(CHOICES.loss))
      .option("--threads <n>", "threads (default 1)", count)
      .addOption(jsonOption())
      .action(async ({ json, ...options }: EvalOptions) => {
        // Loaded when needed: commands that only ask the daemon start without ONNX Runtime.
        const { runOfflineEval } = await import("../../offline/eval.ts");
        const result = await interruptible((signal) => runOfflineEval(options, signal));
        show(terminal, json === true, result, readable(options.model, result));
      }),
  );

function readable(model: string, result: OfflineEvalResult): string {
  const classified = result.measured === "cross-entropy";
  const added = classified ? result.newClasses : null;
  const summary = facts([
    ["model", `${model} with ${result.adapter ? `adapter ${short(result.adapter)}` : "no adapter"}`],
    ...(classified ? [["accuracy", `${percent(result.accuracy)} of ${result.samples}`] as const] : []),
    ...(added
      ? [
          ["old classes", `${percent(added.old.accuracy)} of ${added.old.samples}`] as const,
          ["new classes", `${percent(added.new.accuracy)} of ${added.new.samples}: ${added.names.join(", ")}`] as const,
        ]
      : []),
    ["loss", `${result.loss.toFixed(4)} (${result.measured})${classified ? "" : ` of ${result.samples} samples`}`],
    ...(!classified && result.confidence
      ? [["answers", `the most frequent class in ${percent(result.confidence.topShare)}`] as const]
      : []),
    ...(result.recordings < result.samples
      ? [["samples", `${result.samples} windows of ${result.recordings} recordings`] as const]
      : []),
    ["time", `${result.millisecondsPerSample.toFixed(2)} ms a sample`],
  ]);
  if (!classified) return summary;
  const isNew = (name: string) => (added?.names.includes(name) ? " (new)" : "");
  const rows = Object.entries(result.perClass).map(([name, { samples, accuracy }]) => [
    `${name}${isNew(name)}`,
    samples,
    percent(accuracy),
  ]);
  return `${summary}\n\n${table(["class", "samples", "accuracy"], rows)}`;
}
