import { Command } from "commander";
import { type AddCommand, jsonOption } from "../command.ts";
import { facts, percent, short, show, table } from "../terminal.ts";

interface EvalOptions {
  readonly model: string;
  readonly data: string;
  readonly adapter?: string;
  readonly json?: true;
}

/** `lichen eval`: accuracy on a folder of labelled samples, without a daemon. */
export const addEval: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("eval")
      .description("measure a model, with or without an adapter, on labelled samples")
      .requiredOption("--model <model>", "package folder, or a merged .onnx")
      .requiredOption("--data <folder>", "labelled samples, one folder a class")
      .option("--adapter <file>", "adapter to fold in first")
      .addOption(jsonOption())
      .action(async ({ json, ...options }: EvalOptions) => {
        // Loaded when needed: commands that only ask the daemon start without ONNX Runtime.
        const { runOfflineEval } = await import("../../offline/eval.ts");
        const result = await runOfflineEval(options);
        const classes = Object.entries(result.perClass).map(([label, { samples, accuracy }]) => [
          label,
          samples,
          percent(accuracy),
        ]);
        const readable = facts([
          ["model", `${options.model} with ${result.adapter ? `adapter ${short(result.adapter)}` : "no adapter"}`],
          ["accuracy", `${percent(result.accuracy)} of ${result.samples}`],
          ["loss", result.loss.toFixed(4)],
          ["time", `${result.millisecondsPerSample.toFixed(2)} ms a sample`],
        ]);
        show(terminal, json === true, result, `${readable}\n\n${table(["class", "samples", "accuracy"], classes)}`);
      }),
  );
