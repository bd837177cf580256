import { assertAdapterFits } from "../adapter/adapter.ts";
import { type Base, prepareBase } from "../derive/base.ts";
import { growHead } from "../derive/grow.ts";
import { LichenError } from "../errors.ts";
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
  const task = makeTask(model, { ...options, known: start?.description.classes }, training.holdOut, random);
  const base = growHead(prepareBase(model.model), task.newClasses);
  if (task.loss !== "reconstruction") assertLabelsFit(model, base.classes - task.newClasses);
  return { training, random, task, base };
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
