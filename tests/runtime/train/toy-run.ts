import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveEpoch } from "../../../runtime/derive/epoch.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import type { OptimizerName } from "../../../runtime/optimizers/index.ts";
import { makePlan, startParameters } from "../../../runtime/plan/plan.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { makeDataset } from "../../../runtime/train/dataset.ts";
import type { FitOptions } from "../../../runtime/train/fit.ts";
import { measureWith } from "../../../runtime/train/measure.ts";
import { trainingOptions } from "../../../runtime/train/options.ts";
import { openRowCache } from "../../../runtime/train/rows.ts";
import { makeTask } from "../../../runtime/train/task.ts";
import { openEvaluator, openTrainer } from "../../../runtime/train/trainer.ts";
import { TOY, toyPackage, toySamples } from "../toy.ts";

/** The toy model, ready to be trained on 48 samples and scored on 80 others. */
export async function openToyRun(options: { method?: string; optimizer?: OptimizerName; samples?: number } = {}) {
  const { method = "head+bias", optimizer = "adam", samples = 48 } = options;
  const model = toyPackage();
  const plan = makePlan(prepareBase(model.model), method);
  const task = makeTask(model, { samples: toySamples(samples, 1), heldOut: toySamples(80, 2) }, 0, seeded(1));
  const training = trainingOptions({ optimizer, balance: "off" });
  const cache = await openRowCache(plan, model, { threads: 1 });
  const dataset = await makeDataset(plan, model, task, cache, { training });
  const trainer = await openTrainer(await deriveEpoch(plan, { ...training, terms: dataset.terms }), plan, {
    optimizer,
    threads: 1,
    set: dataset.train,
  });
  const evaluator = await openEvaluator(await deriveEvaluation(plan), plan, { threads: 1 });
  const fit: Pick<FitOptions, "batches" | "start" | "chance" | "score" | "onEpoch" | "signal"> = {
    batches: { ...dataset.batches, mix: 0.5, batch: 8 },
    start: startParameters(plan),
    chance: Math.log(TOY.classes),
    score: await measureWith(evaluator, task, dataset),
    onEpoch: () => {},
    signal: undefined,
  };
  return {
    trainer,
    fit,
    rows: dataset.train.rows.count,
    async close() {
      await trainer.close();
      await evaluator.close();
    },
  };
}
