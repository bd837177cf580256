import { Command } from "commander";
import { type AddCommand, jsonOption } from "../command.ts";
import { bytes, facts, short, show } from "../terminal.ts";

interface MergeOptions {
  readonly model: string;
  readonly adapter: string;
  readonly out: string;
  readonly json?: true;
}

/** `lichen merge`: an adapter folded into its base, as a file for any ONNX runtime. */
export const addMerge: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("merge")
      .description("fold an adapter into its base: a plain int8 ONNX file")
      .requiredOption("--model <folder>", "package folder of the base")
      .requiredOption("--adapter <file>", "the adapter")
      .requiredOption("--out <file>", "where the merged .onnx goes")
      .addOption(jsonOption())
      .action(async ({ json, ...options }: MergeOptions) => {
        const { runOfflineMerge } = await import("../../offline/merge.ts");
        const result = await runOfflineMerge(options);
        const readable = facts([
          ["merged", `${result.out} (${bytes(result.bytes)})`],
          ["base", short(result.base)],
          ["adapter", short(result.adapter)],
        ]);
        show(terminal, json === true, result, readable);
      }),
  );
