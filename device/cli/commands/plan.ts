import { Command } from "commander";
import type { OfflinePlanResult } from "../../offline/plan.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count, durationInSeconds, list, sizeInBytes } from "../quantities.ts";
import { bytes, facts, grouped, show, table } from "../terminal.ts";

interface PlanOptions {
  readonly model: string;
  readonly method: string;
  readonly data?: string;
  readonly samples?: number;
  readonly targets?: readonly string[];
  readonly epochs?: number;
  readonly batch?: number;
  readonly threads?: number;
  readonly budgetMemory?: number;
  readonly budgetSeconds?: number;
  readonly budgetAdapter?: number;
  readonly json?: true;
}

/** `lichen plan`: what would be trained, and what that takes. The exit code says whether it fits the budget. */
export const addPlan: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("plan")
      .description("say what a method would train and what that takes, before it is done")
      .requiredOption("--model <model>", "package folder, or a bare .onnx")
      .requiredOption("--method <method>", "what to train, such as bias+scale or lora:rank=8")
      .option("--data <folder>", "samples to plan for, one folder a class")
      .option("--samples <n>", "how many samples to assume without --data (default 200)", count)
      .option("--targets <patterns>", "layers to train, with commas between; «*» stands for anything", list)
      .option("--epochs <n>", "passes over the samples", count)
      .option("--batch <n>", "samples a step", count)
      .option("--threads <n>", "threads (default 1)", count)
      .option("--budget-memory <size>", "bound of the training state, such as 32MiB", sizeInBytes)
      .option(
        "--budget-seconds <duration>",
        "bound of the training on this machine, such as 60 or 2min",
        durationInSeconds,
      )
      .option("--budget-adapter <size>", "bound of the adapter, such as 64KiB", sizeInBytes)
      .addOption(jsonOption())
      .action(async (options: PlanOptions) => {
        const { json, budgetMemory, budgetSeconds, budgetAdapter, ...rest } = options;
        const { runOfflinePlan } = await import("../../offline/plan.ts");
        const result = await runOfflinePlan({
          ...rest,
          budget: {
            ...(budgetMemory !== undefined && { memoryBytes: budgetMemory }),
            ...(budgetSeconds !== undefined && { seconds: budgetSeconds }),
            ...(budgetAdapter !== undefined && { adapterBytes: budgetAdapter }),
          },
        });
        show(terminal, json === true, result, readable(result));
        if (result.excesses.length > 0) process.exitCode = EXIT.failed;
      }),
  );

type Costed = Pick<OfflinePlanResult, "targets" | "prediction" | "batch">;

function readable(result: OfflinePlanResult): string {
  const { samples, batch, stepsPerEpoch, epochs, prediction, inference, excesses, nearest } = result;
  const perSample = prediction.operations.multiplyAccumulates / batch;
  return [
    facts([
      ["method", `${result.method}, ${grouped(prediction.trainableParameters)} trainable parameters`],
      ["frontier", result.frontier.join(", ")],
      ["samples", `${samples}; ${epochs} epochs of ${stepsPerEpoch} steps of ${batch}`],
      [
        "a step",
        `${grouped(perSample)} multiply-accumulates a sample, ${(perSample / inference).toFixed(2)} inferences`,
      ],
      ...costs(result),
      ["fits", excesses.length === 0 ? "yes" : excesses.map(said).join("; ")],
    ]),
    targetTable(result),
    ...(excesses.length === 0 ? [] : [nearest ? fitting(nearest) : "Nothing of this method fits the budget."]),
  ].join("\n\n");
}

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

const targetTable = ({ targets }: Costed): string =>
  table(
    ["layer", "method", "parameters"],
    targets.map(({ at, methods, parameters }) => [at, methods.join("+"), parameters]),
  );

const fitting = (nearest: Costed): string =>
  [
    "The nearest plan that fits:",
    facts([["batch", nearest.batch], ["--targets", nearest.targets.map(({ at }) => at).join(",")], ...costs(nearest)]),
    targetTable(nearest),
  ].join("\n\n");

const said = ({ what, predicted, allowed }: OfflinePlanResult["excesses"][number]): string =>
  what === "seconds"
    ? `no: ${predicted.toPrecision(3)} seconds of ${allowed}`
    : `no: ${what} ${bytes(predicted)} of ${bytes(allowed)}`;
