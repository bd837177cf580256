import { Command } from "commander";
import type { AddCommand } from "./command.ts";
import { addAdapt } from "./commands/adapt.ts";
import { addAdapters } from "./commands/adapters.ts";
import { addAverage } from "./commands/average.ts";
import { addBugreport } from "./commands/bugreport.ts";
import { addCompare } from "./commands/compare.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConfig } from "./commands/config.ts";
import { addDerive } from "./commands/derive.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEval } from "./commands/eval.ts";
import { addImport } from "./commands/import.ts";
import { addInfer } from "./commands/infer.ts";
import { addInspect } from "./commands/inspect.ts";
import { addInstall } from "./commands/install.ts";
import { addLabel } from "./commands/label.ts";
import { addLogs } from "./commands/logs.ts";
import { addMerge } from "./commands/merge.ts";
import { addModels } from "./commands/models.ts";
import { addPlan } from "./commands/plan.ts";
import { addQuantize } from "./commands/quantize.ts";
import { addRollback } from "./commands/rollback.ts";
import { addRounds } from "./commands/rounds.ts";
import { addSamples } from "./commands/samples.ts";
import { addStatus } from "./commands/status.ts";
import { addSync } from "./commands/sync.ts";
import { addTop } from "./commands/top.ts";
import { addUninstall } from "./commands/uninstall.ts";
import { addUse } from "./commands/use.ts";
import { addWhy } from "./commands/why.ts";
import { EXIT, EXIT_MEANINGS } from "./exit.ts";
import { type Terminal, wrapped } from "./terminal.ts";
import { softwareVersion } from "./version.ts";

const COMMANDS: Readonly<Record<string, readonly AddCommand[]>> = {
  "Asked of the daemon:": [
    addStatus,
    addWhy,
    addTop,
    addInfer,
    addSamples,
    addLabel,
    addAdapt,
    addRounds,
    addAdapters,
    addUse,
    addRollback,
    addSync,
    addLogs,
  ],
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
  "This machine:": [addDoctor, addBugreport, addConfig, addInstall, addUninstall, addCompletion],
};

/** `lichen` with all its commands; whoever parses the words gets what the commands throw. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command("lichen")
    .description("Looks after the adapters of this board, and trains them without one.")
    .version(softwareVersion())
    .addHelpText("after", `\n${exitCodes()}`)
    // Before the commands are added: they inherit it.
    .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
  for (const [heading, commands] of Object.entries(COMMANDS)) {
    program.commandsGroup(heading);
    for (const add of commands) add(program, terminal);
  }
  inherit(program);
  return program;
}

/** Commands that are made on their own and added get no settings of their parent's by themselves. */
function inherit(parent: Command): void {
  for (const command of parent.commands) inherit(command.copyInheritedSettings(parent));
}

const exitCodes = (): string =>
  [
    "Exit codes:",
    ...Object.entries(EXIT_MEANINGS).flatMap(([name, meaning]) =>
      wrapped(meaning, 74).map(
        (line, at) => `${at === 0 ? `${EXIT[name as keyof typeof EXIT]}`.padStart(5) : "     "} ${line}`,
      ),
    ),
  ].join("\n");
