import { Command } from "commander";
import { type AddCommand, jsonOption } from "../command.ts";
import { bytes, facts, short, show, table } from "../terminal.ts";

interface AverageOptions {
  readonly out: string;
  readonly json?: true;
}

/** `lichen average`: one adapter out of several boards'. */
export const addAverage: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("average")
      .description("the mean of adapters of one base and method, weighted by their samples")
      .argument("<adapters...>", "the adapters (.safetensors)")
      .requiredOption("--out <file>", "where the average goes")
      .addOption(jsonOption())
      .action(async (files: string[], { json, out }: AverageOptions) => {
        const { runOfflineAverage } = await import("../../offline/average.ts");
        const result = await runOfflineAverage(files, out);
        const rows = result.adapters.map(({ file, sha256, samples }) => [short(sha256), samples, file]);
        const readable = facts([
          ["average", `${result.out} (${short(result.sha256)}, ${bytes(result.bytes)})`],
          ["method", result.method],
        ]);
        show(terminal, json === true, result, `${readable}\n\n${table(["adapter", "samples", "file"], rows)}`);
      }),
  );
