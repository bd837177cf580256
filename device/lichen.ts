#!/usr/bin/env node
import { exitCodeOf } from "./cli/exit.ts";
import { createProgram } from "./cli/program.ts";
import { folded, harmless, type Terminal } from "./cli/terminal.ts";

const terminal: Terminal = { out: process.stdout, notes: process.stderr, env: process.env };

// Whoever reads has read enough, as head does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

try {
  await createProgram(terminal).parseAsync();
} catch (error) {
  const message = harmless(String(error instanceof Error ? error.message : error));
  // For a person in lines; for a script as it is.
  const lines = process.stderr.isTTY ? message.split("\n").flatMap((line) => folded(line, 80)) : [message];
  process.stderr.write(`${lines.join("\n")}\n`);
  process.exitCode = exitCodeOf(error);
}
