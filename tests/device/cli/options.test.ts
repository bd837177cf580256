import { Command } from "commander";
import { expect, it } from "vitest";
import { offlineAdaptOptions } from "../../../device/cli/commands/adapt-offline.ts";
import { CHOICES, renamed } from "../../../device/cli/options.ts";
import { DEFAULT_TRAINING } from "../../../runtime/index.ts";
import { LOSSES } from "../../../runtime/losses/index.ts";
import { OPTIMIZERS } from "../../../runtime/optimizers/index.ts";
import { SCHEDULES } from "../../../runtime/train/schedule.ts";

it("offers what the engine's tables have", () => {
  const standAlone = Object.keys(LOSSES).filter((name) => name !== "distillation");
  expect([...CHOICES.loss].sort()).toEqual(standAlone.sort());
  expect([...CHOICES.optimizer].sort()).toEqual(Object.keys(OPTIMIZERS).sort());
  expect([...CHOICES.schedule].sort()).toEqual(Object.keys(SCHEDULES).sort());
});

it("says the engine's own defaults", () => {
  const descriptions = Object.fromEntries(offlineAdaptOptions().map(({ long, description }) => [long, description]));
  for (const [option, key] of [
    ["--epochs", "epochs"],
    ["--batch", "batch"],
    ["--patience", "patience"],
    ["--hold-out", "holdOut"],
    ["--rehearsal-mix", "rehearsalMix"],
    ["--label-smoothing", "labelSmoothing"],
    ["--views", "views"],
    ["--seed", "seed"],
    ["--threads", "threads"],
  ] as const) {
    expect(descriptions[option], option).toContain(`(default ${DEFAULT_TRAINING[key]})`);
  }
  expect(descriptions["--schedule"]).toContain(`${DEFAULT_TRAINING.schedule} by default`);
  expect(descriptions["--optimizer"]).toContain(`${DEFAULT_TRAINING.optimizer} by default`);
});

it("no line of the help is longer than a terminal is wide", () => {
  const command = new Command("adapt").configureHelp({ helpWidth: 80 });
  for (const option of offlineAdaptOptions()) command.addOption(option);
  const lines = command.helpInformation().split("\n");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  expect(lines).toContain("How it is trained:");
});

it("what was not given stays away, and the rest goes by the engine's names", () => {
  expect(renamed({ lr: 0.1, epochs: undefined, batch: 4 }, { lr: "learningRate" })).toEqual({
    learningRate: 0.1,
    batch: 4,
  });
});
