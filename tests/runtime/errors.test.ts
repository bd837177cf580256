import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { ERRORS, errorCode, LichenError } from "../../runtime/errors.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

async function sources(folder: string): Promise<string> {
  const names = await readdir(path.join(ROOT, folder), { recursive: true });
  const code = names.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));
  return (await Promise.all(code.map((name) => readFile(path.join(ROOT, folder, name), "utf8")))).join("\n");
}

const thrown = (await Promise.all(["runtime", "device", "fleet"].map(sources))).join("\n");

it.each(Object.keys(ERRORS))("%s is thrown somewhere", (code) => {
  expect(thrown).toMatch(new RegExp(`"${code}"`));
});

it.each(Object.entries(ERRORS))("%s says what is wrong and what to do, as parts of one sentence", (_, [what, todo]) => {
  for (const text of [what, todo]) {
    expect(text).not.toMatch(/[.:]$/);
    expect(text).not.toMatch(/^(A|An|The|There|No|Use|Choose|Check)\b/);
  }
});

it("says the place, what was found and what was wanted, in that order", () => {
  const error = new LichenError("BAD_ARGUMENT", { wanted: "a number", found: "x", at: "--batch", todo: "say 8" });
  expect(error.message).toBe(
    "BAD_ARGUMENT: an argument is not usable (--batch; found x; wanted a number). To do: say 8.",
  );
  expect(errorCode(error)).toBe("BAD_ARGUMENT");
  expect(errorCode(new Error("x"))).toBe("INTERNAL");
});
