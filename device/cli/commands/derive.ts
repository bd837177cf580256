import { Command } from "commander";
import type { OfflineDeriveOptions } from "../../offline/derive.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { list, number } from "../quantities.ts";
import { facts, grouped, show, table } from "../terminal.ts";

/** `lichen derive`: the training graphs themselves, for any ONNX runtime. */
export const addDerive: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("derive")
      .description(
        "write the training graphs of a model: prefix, epoch, eval and deploy, with a page that explains them",
      )
      .requiredOption("--model <model>", "package folder, or a bare .onnx")
      .requiredOption("--method <method>", "what to train")
      .requiredOption("--out <folder>", "where the graphs go")
      .option("--targets <patterns>", "layers to train, with commas between; «*» stands for anything", list)
      .option("--loss <loss>", "loss in the graph (default cross-entropy)")
      .option("--optimizer <optimizer>", "optimizer in the graph (default adam)")
      .option("--gradient-norm <norm>", "largest norm of the gradients (default 5)", number)
      .addOption(jsonOption())
      .action(async ({ json, ...options }: OfflineDeriveOptions & { json?: true }) => {
        const { runOfflineDerive } = await import("../../offline/derive.ts");
        const result = await runOfflineDerive(options);
        const readable = facts([
          ["graphs", result.out],
          ["method", `${result.method}, ${grouped(result.trainableParameters)} trainable parameters`],
          ["frontier", result.frontier.join(", ")],
          ["to read", `${result.out}/README.md`],
        ]);
        const rows = result.graphs.map(({ file, inputs, outputs }) => [file, inputs.length, outputs.length]);
        show(terminal, json === true, result, `${readable}\n\n${table(["graph", "inputs", "outputs"], rows)}`);
      }),
  );
