import { Argument, Command, Option } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import { adaptersSchema, statusSchema } from "../../api/schemas.ts";
import { createClient } from "../client.ts";
import { type AddCommand, socketOption } from "../command.ts";
import { SHELLS, type Shell, specOf, VALUE_KINDS, type ValueKind } from "../completion.ts";
import { short } from "../terminal.ts";

const HOW = `
  eval "$(lichen completion bash)"             into ~/.bashrc
  source <(lichen completion zsh)              into ~/.zshrc
  lichen completion fish | source              into ~/.config/fish/config.fish`;

/** `lichen completion`: a script that teaches a shell the commands. */
export const addCompletion: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("completion")
      .description("print a script by which a shell completes commands, options and adapters")
      .addArgument(new Argument("[shell]").choices(Object.keys(SHELLS)))
      // The scripts ask so for what only the daemon knows.
      .addOption(new Option("--values <kind>").choices(VALUE_KINDS).hideHelp())
      .addOption(socketOption().hideHelp())
      .addHelpText("after", HOW)
      .action(async (shell: Shell | undefined, { values, socket }: { values?: ValueKind; socket: string }) => {
        if (values !== undefined) {
          // Whoever presses Tab wants no error.
          const found = await VALUES[values](socket).catch(() => []);
          return void terminal.out.write(found.map((value) => `${value}\n`).join(""));
        }
        if (shell === undefined)
          throw new LichenError("BAD_ARGUMENT", { at: "completion", wanted: Object.keys(SHELLS).join(", ") });
        terminal.out.write(SHELLS[shell](specOf(program)));
      }),
  );

const VALUES: Readonly<Record<ValueKind, (socket: string) => Promise<readonly string[]>>> = {
  models: async (socket) => (await createClient(socket).get("/v1/status", statusSchema)).models,
  async adapters(socket) {
    const { current, previous, good } = await createClient(socket).get("/v1/adapters", adaptersSchema);
    const held = [current, previous, good].flatMap((adapter) => (adapter ? [short(adapter.sha256)] : []));
    return [...new Set(held), "base"];
  },
};
