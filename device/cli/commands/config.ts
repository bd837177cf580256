import { Command } from "commander";
import type { Key } from "../../config/keys.ts";
import { CONFIG_PATH } from "../../operation/installation.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { show, type Terminal, wrapped } from "../terminal.ts";

interface ConfigOptions {
  readonly json?: true;
}

/** `lichen config`: what the file says, what it may say, and what is wrong with it. */
export const addConfig: AddCommand = (program, terminal) => {
  const config = new Command("config").description("the daemon's configuration file: show, check, keys, example");
  for (const command of [showing, checking, listing, example]) config.addCommand(command(terminal));
  program.addCommand(config);
};

const showing = (terminal: Terminal): Command =>
  new Command("show")
    .description("every value that a file gives, defaults filled in and paths absolute; secrets stay hidden")
    .argument("[file]", "the YAML file", CONFIG_PATH)
    .addOption(jsonOption())
    .action(async (file: string, { json }: ConfigOptions) => {
      const [{ loadConfig }, { withoutSecrets }, { stringify }] = await Promise.all([
        import("../../config/load.ts"),
        import("../../config/secrets.ts"),
        import("yaml"),
      ]);
      const config = withoutSecrets(await loadConfig(file));
      show(terminal, json === true, { schema: "lichen/config/1", config }, stringify(config).trimEnd());
    });

const checking = (terminal: Terminal): Command =>
  new Command("check")
    .description("whether the daemon would start with a file: exit code 0, or 2 and every mistake by its line")
    .argument("[file]", "the YAML file", CONFIG_PATH)
    .addOption(jsonOption())
    .action(async (file: string, { json }: ConfigOptions) => {
      const { checkConfig } = await import("../../config/load.ts");
      const { EXIT } = await import("../exit.ts");
      const checked = await checkConfig(file);
      const mistakes = checked.mistakes.map(({ code, message, details }) => ({ code, message, ...details }));
      const readable = mistakes.length === 0 ? `${file} is valid` : mistakes.map(({ message }) => message).join("\n");
      show(terminal, json === true, { schema: "lichen/config-check/1", file, mistakes }, readable);
      if (mistakes.length > 0) process.exitCode = EXIT.usage;
    });

const listing = (terminal: Terminal): Command =>
  new Command("keys")
    .description("every key with its type, default and meaning; --json gives a JSON Schema, for editors")
    .argument("[section]", "only keys that begin so, as training")
    .addOption(jsonOption())
    .action(async (section: string | undefined, { json }: ConfigOptions) => {
      const { configJsonSchema, configKeys } = await import("../../config/keys.ts");
      const keys = configKeys().filter(({ name }) => section === undefined || name.startsWith(section));
      show(terminal, json === true, configJsonSchema(), keys.map(readableKey).join("\n"));
    });

const example = (terminal: Terminal): Command =>
  new Command("example").description("a file with every key, its meaning and its default").action(async () => {
    const { exampleConfig } = await import("../../config/example.ts");
    terminal.out.write(exampleConfig());
  });

function readableKey({ name, type, default: preset, isRequired, meaning }: Key): string {
  const standard = isRequired
    ? "required"
    : preset === undefined || type === "section"
      ? ""
      : `default ${JSON.stringify(preset)}`;
  const head = [name, [type, standard].filter((part) => part !== "").join("; ")].join("  ");
  return [head, ...(meaning === "" ? [] : wrapped(meaning, 76).map((line) => `    ${line}`))].join("\n");
}
