import { assertAdapterFits } from "../adapter/adapter.ts";
import { type Base, prepareBase } from "../derive/base.ts";
import { withClasses } from "../derive/replace.ts";
import { LichenError } from "../errors.ts";
import { elementCount } from "../onnx/tensor.ts";
import type { ModelPackage } from "../package/package.ts";
import { type SeededRandom, seeded } from "../random/random.ts";
import { type TrainingOptions, trainingOptions } from "./options.ts";
import type { AdaptOptions } from "./request.ts";
import { makeTask, type Task } from "./task.ts";

/** A request, understood: what `plan` looks at and `adapt` trains. */
export interface Job {
  training: TrainingOptions;
  /** As the split has left it. */
  random: SeededRandom;
  task: Task;
  /** With room for the classes that the samples bring. */
  base: Base;
}

/** @throws BAD_ARGUMENT, ADAPTER_WRONG_BASE, UNKNOWN_CLASS, TOO_FEW_SAMPLES, ONE_CLASS, BAD_CARD, CANNOT_GROW */
export function makeJob(options: AdaptOptions): Job {
  const training = trainingOptions(options);
  const { model, start } = options;
  if (start) assertAdapterFits(start, model);
  const random = seeded(training.seed);
  const task = makeTask(model, options, training.holdOut, random);
  const own = prepareBase(model.model);
  if (task.loss === "reconstruction") assertReproduces(own);
  else assertLabelsFit(model, own.classes);
  if (task.replaced) assertNothingKept(training);
  return { training, random, task, base: withClasses(own, task, model.card.labels.length) };
}

/** @throws BAD_ARGUMENT */
function assertNothingKept({ distillation }: TrainingOptions): void {
  if (distillation === "auto" || distillation === 0) return;
  throw new LichenError("BAD_ARGUMENT", {
    at: "distillation",
    found: distillation,
    wanted: "none where the model's classes are replaced: it has no opinion on others",
  });
}

/** Whether it has an output for each number of its input. @throws BAD_ARGUMENT */
function assertReproduces({ input, classes }: Base): void {
  const wanted = elementCount(input.shape.slice(1) as number[]);
  if (classes === wanted) return;
  throw new LichenError("BAD_ARGUMENT", {
    at: "loss reconstruction",
    found: `${classes} outputs`,
    wanted: `${wanted}, as many as inputs`,
    todo: "use the loss that the model was made for",
  });
}

/** @throws BAD_CARD */
function assertLabelsFit({ card, path }: ModelPackage, outputs: number): void {
  if (card.labels.length === outputs) return;
  throw new LichenError("BAD_CARD", {
    at: path,
    found: `${card.labels.length} labels`,
    wanted: `${outputs}, one an output`,
  });
}
