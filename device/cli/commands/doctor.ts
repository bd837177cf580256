import type { Command } from "commander";
import { createClient } from "../client.ts";
import { type AddCommand, type OnlineOptions, serviceCommand } from "../command.ts";
import type { Finding, Level } from "../doctor/judge.ts";
import { EXIT } from "../exit.ts";
import { counted, folded, harmless, painted, type Terminal, type Tone } from "../terminal.ts";

interface DoctorOptions extends OnlineOptions {
  readonly config?: string;
}

/** `lichen doctor`: what is wrong with this board, and what to do about it. */
export const addDoctor: AddCommand = (program, terminal) => program.addCommand(doctor(terminal));

const doctor = (terminal: Terminal): Command =>
  serviceCommand("doctor", "check clock, disk, wear, brokers, models, memory and more; exit code 1 for problems")
    .option("--config <file>", "check this configuration; no daemon need run")
    .action(async ({ config, json, socket }: DoctorOptions) => {
      const findings = await examine(socket, config);
      const isWell = findings.every(({ level }) => level !== "problem");
      if (json) terminal.out.write(`${JSON.stringify({ schema: "lichen/doctor/1", well: isWell, findings })}\n`);
      else terminal.out.write(readable(findings, terminal));
      if (!isWell) process.exitCode = EXIT.failed;
    });

/** Loaded when it is asked for: it is much, and nothing else needs it. */
async function examine(socket: string, config?: string): Promise<Finding[]> {
  const [{ gather, nodeProbes }, { judge }] = await Promise.all([
    import("../doctor/probe.ts"),
    import("../doctor/judge.ts"),
  ]);
  return judge(
    await gather(
      nodeProbes((model) => createClient(socket, model)),
      config,
    ),
    Date.now(),
  );
}

const TONES: Readonly<Record<Level, Tone>> = { ok: "good", warning: "warning", problem: "bad" };

export function readable(findings: readonly Finding[], terminal: Terminal): string {
  const rows = findings.map(({ check, level, found, todo }) => {
    const [first = "", ...rest] = [
      ...folded(harmless(found), WIDTH),
      ...(todo === undefined ? [] : folded(`to do: ${harmless(todo)}`, WIDTH)),
    ];
    const head = `${painted(terminal, TONES[level], level.padEnd(8))} ${check.padEnd(12)}`;
    return [head + first, ...rest.map((line) => " ".repeat(INDENT) + line)].join("\n");
  });
  const count = (of: Level) => findings.filter(({ level }) => level === of).length;
  return `${rows.join("\n")}\n\n${counted(count("problem"), "problem")}, ${counted(count("warning"), "warning")}\n`;
}

const INDENT = 21;
const WIDTH = 80 - INDENT;
