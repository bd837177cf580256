import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { EXIT, EXIT_MEANINGS, exitCodeOf } from "../../../device/cli/exit.ts";
import { createProgram } from "../../../device/cli/program.ts";
import { DaemonRefusal } from "../../../device/cli/refusal.ts";
import { packageRoot } from "../../../device/package-root.ts";
import { ERRORS, type ErrorCode, LichenError } from "../../../runtime/errors.ts";

test("no two exit codes are the same, and the page of the device and the help have each of them", () => {
  expect(new Set(Object.values(EXIT)).size).toBe(Object.keys(EXIT).length);
  const page = readFileSync(join(packageRoot(), "device", "README.md"), "utf8");
  let help = "";
  const program = createProgram({ out: new PassThrough(), notes: new PassThrough(), env: {} });
  program.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  for (const [name, meaning] of Object.entries(EXIT_MEANINGS)) {
    const code = EXIT[name as keyof typeof EXIT];
    expect(page).toContain(`| ${code} | ${meaning} |`);
    expect(help.replaceAll(/\s+/g, " ")).toContain(`${code} ${meaning}`);
  }
});

test("a code of a daemon and the same code here end in the same way, but for what a signal cancels here", () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const [here, there] = [exitCodeOf(new LichenError(code)), exitCodeOf(new DaemonRefusal(code, code))];
    expect(Object.values(EXIT)).toContain(here);
    expect([code, there]).toEqual([code, code === "CANCELLED" ? EXIT.failed : here]);
  }
  expect(exitCodeOf(new Error("unforeseen"))).toBe(EXIT.failed);
});
