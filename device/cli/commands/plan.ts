import { Command } from "commander";
import type { OfflinePlanOptions, OfflinePlanResult } from "../../offline/plan.ts";
import { BUDGET_OPTIONS, type BudgetOptions, splitBudget } from "../budget.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { EXIT } from "../exit.ts";
import { CHOICES, type OptionRow, optionsUnder } from "../options.ts";
import { count, list } from "../quantities.ts";
import { bytes, facts, grouped, percent, show, table, wrapped } from "../terminal.ts";

interface PlanOptions extends Omit<OfflinePlanOptions, "budget">, BudgetOptions {
  readonly json?: true;
}

const OPTIONS: Readonly<Record<string, readonly OptionRow[]>> = {
  "What for:": [
    ["--data <folder>", "samples to plan for, one folder a class"],
    ["--samples <n>", "how many samples to assume without --data (default 200)", count],
    ["--targets <patterns>", "layers to train, with commas between; «*» stands for anything", list],
    [
      "--classes <what>",
      "where folders name others than the model's: extend, replace (default keep: an error)",
      CHOICES.classes,
    ],
    ["--epochs <n>", "passes over the samples (default 15)", count],
    ["--batch <n>", "samples a step (default 16)", count],
    ["--threads <n>", "threads (default 1)", count],
  ],
  "What it may take:": BUDGET_OPTIONS,
};

/** `lichen plan`: what would be trained, and what that takes. The exit code says whether it fits the budget. */
export const addPlan: AddCommand = (program, terminal) => {
  const command = new Command("plan")
    .description("say what a method would train and what that takes, before it is done")
    .requiredOption("--model <model>", "package folder, or a bare .onnx")
    .requiredOption("--method <method>", "such as bias+scale or lora:rank=8; or adaptive, which decides by the samples")
    .addOption(jsonOption());
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  command.action(async ({ json, ...options }: PlanOptions) => {
    const [budget, rest] = splitBudget(options);
    const { runOfflinePlan } = await import("../../offline/plan.ts");
    const result = await runOfflinePlan({ ...rest, budget });
    show(terminal, json === true, result, readable(result));
    if (!result.refusal) return;
    terminal.notes.write(`${result.refusal.message}\n`);
    process.exitCode = EXIT.failed;
  });
  program.addCommand(command);
};

type Costed = Pick<OfflinePlanResult, "targets" | "prediction" | "batch">;

function readable(result: OfflinePlanResult): string {
  const { samples, batch, stepsPerEpoch, epochs, prediction, inference, excesses, nearest, explanation } = result;
  const perSample = prediction.operations.multiplyAccumulates / batch;
  return [
    facts([
      ["method", `${result.method}, ${grouped(prediction.trainableParameters)} trainable parameters`],
      ["frontier", result.frontier.join(", ")],
      ["samples", `${samples}; ${epochs} epochs of ${stepsPerEpoch} steps of ${batch}`],
      [
        "a step",
        `${grouped(perSample)} multiply-accumulates a sample, ${(perSample / inference).toFixed(2)} times an inference's; with all else the work of ${prediction.inferences.toPrecision(2)} inferences`,
      ],
      ...costs(result),
      ...(result.importance === "assumed" ? [["assumed", ALIKE] as const] : []),
      ...bounds(result),
      ["fits", excesses.length === 0 ? "yes" : `no: ${excesses.map(said).join("; ")}`],
    ]),
    explanation ? explained(explanation) : targetTable(result),
    ...(excesses.length === 0 ? [] : [nearest ? fitting(nearest) : "Nothing of this method fits the budget."]),
  ].join("\n\n");
}

const ALIKE = "all channels matter alike, since there are no samples; --data tells which do";

function costs({ prediction }: Costed): (readonly [string, string])[] {
  const { cache, parameters, step } = prediction.parts;
  const { seconds } = prediction;
  return [
    [
      "state",
      `${bytes(prediction.trainingStateBytes)}: cache ${bytes(cache)}, parameters ${bytes(parameters)}, a step ${bytes(step)}`,
    ],
    ["adapter", bytes(prediction.adapterBytes)],
    [
      "seconds",
      seconds === null
        ? "not known"
        : `${seconds.training.toPrecision(3)} to train, ${(seconds.step * 1000).toPrecision(3)} ms a step`,
    ],
  ];
}

/** What is allowed, where anything is. */
function bounds({ budget }: OfflinePlanResult): (readonly [string, string])[] {
  const { memoryBytes, seconds, adapterBytes, inferences } = budget;
  const said = [
    memoryBytes === undefined ? [] : `state ${bytes(memoryBytes)}`,
    seconds === undefined ? [] : `${seconds} seconds`,
    adapterBytes === undefined ? [] : `adapter ${bytes(adapterBytes)}`,
    inferences === undefined ? [] : `a step of ${inferences} inferences`,
  ].flat();
  return said.length === 0 ? [] : [["budget", said.join(", ")]];
}

const targetTable = ({ targets }: Costed): string =>
  table(
    ["layer", "method", "parameters"],
    targets.map(({ at, methods, parameters }) => [at, methods.join("+"), parameters]),
  );

/** What `adaptive` chose, and why: each layer with what it is worth, the depths it weighed, and what would come next. */
function explained({ layers, depths, from, next }: NonNullable<OfflinePlanResult["explanation"]>): string {
  const choices = (rows: typeof layers) =>
    table(
      ["layer", "trains", "gain", "bytes"],
      // The head always trains along, whatever it is worth.
      rows.map(({ at, choice, gain, bytes }) => [at, choice, gain === 0 ? "always" : percent(gain), bytes]),
    );
  const weighed = depths.map(({ from, depth, gain, fits }) => [
    from,
    depth,
    percent(gain),
    fits ? "yes" : "no: even the head alone takes too much",
  ]);
  return [
    ...wrapped(
      `Chosen from ${from} on. Gain is the share of what all layers could learn (Fisher information on the samples).`,
      80,
    ),
    "",
    choices(layers),
    "",
    "Where training could begin, and the gain that fits from there:",
    "",
    table(["from", "layers", "gain", "fits"], weighed),
    ...(next.length === 0 ? [] : ["", "With a larger budget there would come next:", "", choices(next)]),
  ].join("\n");
}

const fitting = (nearest: Costed): string =>
  [
    "The nearest plan that fits:",
    facts([["batch", nearest.batch], ["--targets", nearest.targets.map(({ at }) => at).join(",")], ...costs(nearest)]),
    targetTable(nearest),
  ].join("\n\n");

const said = ({ what, predicted, allowed }: OfflinePlanResult["excesses"][number]): string => {
  const amount = AMOUNTS[what];
  return `${what} ${amount(predicted)} of ${amount(allowed)}`;
};

const AMOUNTS = {
  memory: bytes,
  adapter: bytes,
  seconds: (value) => `${Number(value.toPrecision(3))}`,
  work: (value) => `${value.toFixed(2)} inferences a step`,
} satisfies Record<OfflinePlanResult["excesses"][number]["what"], (value: number) => string>;
