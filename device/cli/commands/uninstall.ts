import { Command } from "commander";
import { type AddCommand, jsonOption } from "../command.ts";
import { show } from "../terminal.ts";
import { readableSteps, userName } from "./install.ts";

interface UninstallOptions {
  readonly user: string;
  readonly prefix: string;
  readonly root: string;
  readonly purge?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `lichen uninstall`: takes back what `lichen install` did. */
export const addUninstall: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("uninstall")
      .description("stop the service and remove it; samples, adapters and configuration stay")
      .option("--purge", "also remove /etc/lichen, /var/lib/lichen and the user: all that the board has learnt")
      .option("--user <name>", "whom it runs as", userName, "lichen")
      .option("--prefix <folder>", "where its commands are", "/usr/local")
      .option("--root <folder>", "uninstall from a system that lies in a folder", "/")
      .option("--dry-run", "print what would be done, and do nothing")
      .addOption(jsonOption())
      .action(async ({ json, dryRun, purge, ...options }: UninstallOptions) => {
        const { runUninstall, systemAt } = await import("../../operation/install.ts");
        const request = { ...options, purge: purge === true, dryRun: dryRun === true };
        const result = await runUninstall(request, systemAt(options.root));
        show(terminal, json === true, result, readableSteps(result));
      }),
  );
