import { Command } from "commander";
import { expect, it } from "vitest";
import { METHODS, OPTIONS } from "../../../device/cli/commands/quantize.ts";
import { optionsUnder } from "../../../device/cli/options.ts";
import { CALIBRATION_METHODS } from "../../../runtime/quantize/index.ts";

it("offers what the engine's table has, and auto", () => {
  expect([...METHODS].sort()).toEqual(["auto", ...Object.keys(CALIBRATION_METHODS)].sort());
});

it("no line of the help is longer than a terminal is wide", () => {
  const command = new Command("quantize").configureHelp({ helpWidth: 80 });
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  const lines = command.helpInformation().split("\n");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
});

it("what is not wanted is said with no-, and reaches the work under the name that it knows", () => {
  const command = new Command("quantize");
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  const text = "--no-equalize --no-bias-correction --full-range --float a,b* --samples 20";
  expect(command.parse(text.split(" "), { from: "user" }).opts()).toEqual({
    ...{ equalize: false, biasCorrection: false, fullRange: true },
    ...{ float: ["a", "b*"], samples: 20 },
  });
});
