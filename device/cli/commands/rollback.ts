import { rollbackSchema } from "../../api/schemas.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { short, show } from "../terminal.ts";

export const addRollback: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("rollback", "serve the adapter before, or the base; the one left is refused from now on").action(
      async (options: OnlineOptions) => {
        const answer = await clientOf(options).post("/v1/rollback", rollbackSchema);
        show(terminal, options.json === true, answer, `serving ${short(answer.serving)} (version ${answer.version})`);
      },
    ),
  );
