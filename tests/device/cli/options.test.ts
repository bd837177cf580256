import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { askedOf, offlineAdaptOptions } from "../../../device/cli/commands/adapt-offline.ts";
import { CHOICES, renamed } from "../../../device/cli/options.ts";
import { DEFAULT_TRAINING } from "../../../runtime/index.ts";
import { LOSSES } from "../../../runtime/losses/index.ts";
import { OPTIMIZERS } from "../../../runtime/optimizers/index.ts";
import { SCHEDULES } from "../../../runtime/train/schedule.ts";
import { CLASS_MODES } from "../../../runtime/train/task.ts";

it("offers what the engine's tables have", () => {
  const standAlone = Object.keys(LOSSES).filter((name) => name !== "distillation");
  expect([...CHOICES.loss].sort()).toEqual(standAlone.sort());
  expect(CHOICES.classes).toEqual(CLASS_MODES);
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

describe("the options of adapt", () => {
  const asked = (text: string) => {
    const command = new Command("adapt").exitOverride().configureOutput({ writeErr: () => undefined });
    for (const option of offlineAdaptOptions()) command.addOption(option);
    return askedOf(command.parse(text.split(" "), { from: "user" }).opts());
  };
  const files = "--model m --data d --out o";

  it("reach the engine under its own names, read as what they are", () => {
    const everything = asked(
      `${files} --val v --start s --cache c --cache-size 1GiB --fresh --method lora:rank=8 --targets last:2,conv* ` +
        "--classes extend --loss cross-entropy --label-smoothing 0.1 --distillation 0.5 --rehearsal-mix 1 --no-balance " +
        "--views 2 --hold-out 0.3 --budget-memory 32MiB --budget-seconds 2min --budget-adapter 64KiB --epochs 3 " +
        "--patience 2 --batch 8 --lr 0.01 --schedule constant --optimizer sgd --seed 7 --threads 2",
    );
    expect(everything).toEqual({
      model: "m",
      data: "d",
      out: "o",
      val: "v",
      start: "s",
      cache: "c",
      cacheBytes: 2 ** 30,
      fresh: true,
      method: "lora:rank=8",
      targets: ["last:2", "conv*"],
      classes: "extend",
      loss: "cross-entropy",
      labelSmoothing: 0.1,
      distillation: 0.5,
      rehearsalMix: 1,
      balance: "off",
      views: 2,
      holdOut: 0.3,
      budget: { memoryBytes: 32 * 2 ** 20, seconds: 120, adapterBytes: 64 * 2 ** 10 },
      epochs: 3,
      patience: 2,
      batch: 8,
      learningRate: 0.01,
      schedule: "constant",
      optimizer: "sgd",
      seed: 7,
      threads: 2,
    });
    const known = new Set<string>(Object.keys(DEFAULT_TRAINING));
    const beyondTraining = Object.keys(everything).filter((name) => !known.has(name));
    expect(beyondTraining.sort()).toEqual(
      "budget cache cacheBytes classes data fresh loss method model out start targets val".split(" "),
    );
  });

  it("that were not given are left to the engine", () => {
    expect(asked(files)).toEqual({ model: "m", data: "d", out: "o", balance: "on" });
    expect(() => asked("--model m --data d")).toThrow(/^BAD_ARGUMENT: .*--out/);
  });

  it.each(["--loss love", "--label-smoothing 1", "--epochs 0", "--hold-out all", "--budget-memory much"])(
    "%s is refused",
    (text) => expect(() => asked(`${files} ${text}`)).toThrow(/invalid/),
  );
});
