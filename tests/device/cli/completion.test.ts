import { execFile } from "node:child_process";
import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { SHELLS, specOf } from "../../../device/cli/completion.ts";
import { createProgram } from "../../../device/cli/program.ts";

const program = createProgram({ out: new PassThrough(), notes: new PassThrough(), env: {} });
const spec = specOf(program);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lichen completion "));
  for (const [shell, script] of Object.entries(SHELLS)) await writeFile(join(folder, shell), script(spec));
  // In place of a daemon that answers.
  await writeFile(
    join(folder, "lichen"),
    '#!/bin/sh\n[ "$1 $2" = "completion --values" ] && case $3 in models) echo ears; echo eyes;; adapters) echo 59e03b7830ff; echo base;; esac\n',
  );
  await chmod(join(folder, "lichen"), 0o755);
});

/** What bash would offer at the end of a line, asked of bash. */
async function offered(line: string): Promise<string[]> {
  const words = line.split(" ");
  const ask = `source "$1"; COMP_WORDS=("\${@:2}"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _lichen; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
  const { stdout } = await promisify(execFile)("bash", ["-c", ask, "bash", join(folder, "bash"), ...words], { env });
  return stdout.split("\n").filter((word) => word !== "");
}

describe("bash", () => {
  it("offers every command", async () => {
    expect(await offered("lichen ")).toEqual(program.commands.map((command) => command.name()));
    expect(await offered("lichen ro")).toEqual(["rounds", "rollback"]);
  });

  it("offers subcommands, and the options of each", async () => {
    expect(await offered("lichen samples ex")).toEqual(["export"]);
    expect(await offered("lichen samples export --o")).toEqual(["--of", "--older-than", "--out"]);
    expect(await offered("lichen --json samples export --unl")).toEqual(["--unlabelled"]);
  });

  it("offers the words that an option or a command takes", async () => {
    expect(await offered("lichen logs --level w")).toEqual(["warn"]);
    expect(await offered("lichen completion ")).toEqual(["bash", "zsh", "fish"]);
    expect(await offered("lichen adapt --optimizer a")).toEqual(["adam", "adamw"]);
  });

  it("asks the daemon for what only it knows", async () => {
    expect(await offered("lichen status --of e")).toEqual(["ears", "eyes"]);
    expect(await offered("lichen use 59")).toEqual(["59e03b7830ff"]);
  });

  it("leaves files to the shell", async () => {
    expect(await offered("lichen infer ")).toEqual([]);
    expect(await offered("lichen bugreport --out ")).toEqual([]);
  });
});

it("no description breaks a script: every shell that is here reads its own", async () => {
  await promisify(execFile)("bash", ["-n", join(folder, "bash")]);
  for (const shell of ["zsh", "fish"]) {
    await promisify(execFile)(shell, ["-n", join(folder, shell)]).catch((error) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
});

it.each(["zsh", "fish"] as const)("%s is told every command and option", (shell) => {
  const script = SHELLS[shell](spec);
  for (const command of program.commands) {
    expect(script).toContain(command.name());
    for (const { long } of command.options) if (long) expect(script).toContain(long.slice(2));
  }
});
