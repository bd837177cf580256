import { Command, InvalidArgumentError } from "commander";
import type { InstallResult } from "../../operation/install.ts";
import { DEVICES, type Device, USUAL } from "../../operation/unit.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { show, type Terminal, wrapped } from "../terminal.ts";

interface InstallOptions {
  readonly config?: string;
  readonly user: string;
  readonly prefix: string;
  readonly devices: readonly Device[];
  readonly memoryHigh: string;
  readonly memoryMax: string;
  readonly root: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `lichen install`: lichend as a service of systemd, from where Lichen lies now. */
export const addInstall: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("install")
      .description("make lichend a service of systemd, and start it; a second time changes nothing")
      .option("--config <file>", "your configuration (default: one in /etc/lichen, made if missing)")
      .option("--user <name>", "whom it runs as; made if missing", userName, "lichen")
      .option("--prefix <folder>", "the commands go into its bin", "/usr/local")
      .option("--devices <list>", "what its sources may record from", deviceList, USUAL.devices)
      .option(
        "--memory-high <size>",
        "beyond it the service is slowed down; percent, or bytes as 512M",
        memory,
        USUAL.memoryHigh,
      )
      .option("--memory-max <size>", "beyond it the training process is ended", memory, USUAL.memoryMax)
      .option("--root <folder>", "install into a system that lies in a folder", "/")
      .option("--dry-run", "print what would be done, and do nothing")
      .addOption(jsonOption())
      .action(async ({ json, dryRun, ...options }: InstallOptions) => {
        const { runInstall, systemAt } = await import("../../operation/install.ts");
        const system = systemAt(options.root);
        const result = await runInstall({ ...options, dryRun: dryRun === true }, system);
        show(terminal, json === true, result, readableSteps(result));
        if (!json && !dryRun) note(terminal, system.isLive);
      }),
  );

function note(terminal: Terminal, isLive: boolean): void {
  terminal.notes.write(
    isLive ? "lichend runs; see systemctl status lichend and lichen status\n" : "lichend starts with the next boot\n",
  );
}

export const readableSteps = ({ steps }: InstallResult): string =>
  steps
    .flatMap(({ step, outcome }) => {
      const mark = outcome === "there" ? "as it was  " : outcome === "done" ? "done       " : "would      ";
      return wrapped(step, 68).map((line, at) => `${at === 0 ? mark : " ".repeat(mark.length)}${line}`);
    })
    .join("\n");

/** As useradd(8) takes it by default. */
export function userName(text: string): string {
  if (/^[a-z_][a-z0-9_-]{0,30}$/.test(text)) return text;
  throw new InvalidArgumentError("lower-case letters, digits, '-' and '_', at most 31.");
}

function memory(text: string): string {
  if (/^(\d{1,3}%|\d+[KMGT]?|infinity)$/.test(text)) return text;
  throw new InvalidArgumentError("a percentage, or bytes such as 512M.");
}

function deviceList(text: string): Device[] {
  const names = text.split(",").filter((name) => name !== "" && name !== "none");
  const unknown = names.find((name) => !(name in DEVICES));
  if (unknown === undefined) return names as Device[];
  throw new InvalidArgumentError(`none, or some of ${Object.keys(DEVICES).join(",")}.`);
}
