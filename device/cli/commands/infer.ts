import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { LichenError } from "../../../runtime/errors.ts";
import { inferSchema } from "../../api/schemas.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { facts, percent, short, show } from "../terminal.ts";

export const addInfer: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("infer", "classify a file with what serves now")
      .argument("<file>")
      .action(async (file: string, options: OnlineOptions) => {
        const body = await readFile(file).catch((cause) => {
          throw new LichenError("BAD_ARGUMENT", { at: file, found: cause.code, wanted: "a readable file", cause });
        });
        const path = `/v1/infer?name=${encodeURIComponent(basename(file))}`;
        const result = await clientOf(options).post(path, inferSchema, body);
        const readable = facts([
          ["label", result.label],
          ["confidence", percent(result.confidence)],
          ["adapter", short(result.adapter)],
          ["time", `${result.milliseconds.toFixed(1)} ms`],
        ]);
        show(terminal, options.json === true, result, readable);
      }),
  );
