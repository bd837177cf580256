import { Command } from "commander";
import { expect, it } from "vitest";
import {
  LAYOUTS as OFFERED_LAYOUTS,
  TARGETS as OFFERED_TARGETS,
  OPTIONS,
} from "../../../device/cli/commands/import.ts";
import { optionsUnder } from "../../../device/cli/options.ts";
import { LAYOUTS } from "../../../runtime/import/index.ts";
import { TARGETS } from "../../../runtime/quantize/targets.ts";

it("offers what the engine's tables have", () => {
  expect(OFFERED_LAYOUTS).toEqual(LAYOUTS);
  expect([...OFFERED_TARGETS].sort()).toEqual(Object.keys(TARGETS).sort());
});

it("no line of the help is longer than a terminal is wide", () => {
  const command = new Command("import").configureHelp({ helpWidth: 80 });
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  const lines = command.helpInformation().split("\n");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
});
