#!/usr/bin/env node
import { Command } from "commander";
import type { AddCommand } from "./cli/command.ts";
import { addAdapt } from "./cli/commands/adapt.ts";
import { addAdapters } from "./cli/commands/adapters.ts";
import { addAverage } from "./cli/commands/average.ts";
import { addCompare } from "./cli/commands/compare.ts";
import { addConfig } from "./cli/commands/config.ts";
import { addDerive } from "./cli/commands/derive.ts";
import { addEval } from "./cli/commands/eval.ts";
import { addImport } from "./cli/commands/import.ts";
import { addInfer } from "./cli/commands/infer.ts";
import { addInspect } from "./cli/commands/inspect.ts";
import { addInstall } from "./cli/commands/install.ts";
import { addLabel } from "./cli/commands/label.ts";
import { addMerge } from "./cli/commands/merge.ts";
import { addModels } from "./cli/commands/models.ts";
import { addPlan } from "./cli/commands/plan.ts";
import { addQuantize } from "./cli/commands/quantize.ts";
import { addRollback } from "./cli/commands/rollback.ts";
import { addSamples } from "./cli/commands/samples.ts";
import { addStatus } from "./cli/commands/status.ts";
import { addUninstall } from "./cli/commands/uninstall.ts";
import { addUse } from "./cli/commands/use.ts";
import { EXIT, exitCodeOf } from "./cli/exit.ts";
import type { Terminal } from "./cli/terminal.ts";
import { softwareVersion } from "./cli/version.ts";

const COMMANDS: Readonly<Record<string, readonly AddCommand[]>> = {
  "Asked of the daemon:": [addStatus, addInfer, addSamples, addLabel, addAdapt, addAdapters, addRollback, addUse],
  "On files alone, as is adapt with --model:": [
    addModels,
    addImport,
    addQuantize,
    addInspect,
    addPlan,
    addCompare,
    addEval,
    addMerge,
    addAverage,
    addDerive,
  ],
  "This machine:": [addConfig, addInstall, addUninstall],
};

const EXIT_CODES = `
Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 no daemon answers;
130 interrupted.`;

const terminal: Terminal = { out: process.stdout, notes: process.stderr, env: process.env };

const program = new Command("lichen")
  .description("Looks after the adapters of this board, and trains them without one.")
  .version(softwareVersion())
  .addHelpText("after", EXIT_CODES)
  // Before the commands are added: they inherit it.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
for (const [heading, commands] of Object.entries(COMMANDS)) {
  program.commandsGroup(heading);
  for (const add of commands) add(program, terminal);
}
for (const command of program.commands) command.copyInheritedSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = exitCodeOf(error);
}
