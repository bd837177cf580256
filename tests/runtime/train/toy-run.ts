import type { Metrics } from "../../../runtime/adapter/adapter.ts";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveEpoch } from "../../../runtime/derive/epoch.ts";
import { deriveEvaluation } from "../../../runtime/derive/evaluation.ts";
import type { Tensors } from "../../../runtime/execute/session.ts";
import type { OptimizerName } from "../../../runtime/optimizers/index.ts";
import { makePlan, startParameters } from "../../../runtime/plan/plan.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { cacheSamples } from "../../../runtime/train/caches.ts";
import type { FitOptions } from "../../../runtime/train/fit.ts";
import { assignSamples } from "../../../runtime/train/samples.ts";
import { score } from "../../../runtime/train/score.ts";
import { openEvaluator, openTrainer } from "../../../runtime/train/trainer.ts";
import { TOY, toyPackage, toySamples } from "../toy.ts";

/** The toy model, ready to be trained on 48 samples and scored on 80 others. */
export async function openToyRun(options: { method?: string; optimizer?: OptimizerName; samples?: number } = {}) {
  const { method = "head+bias", optimizer = "adam", samples = 48 } = options;
  const model = toyPackage();
  const plan = makePlan(prepareBase(model.model), method);
  const local = assignSamples(model, toySamples(samples, 1), toySamples(80, 2), 0, seeded(1));
  const caches = await cacheSamples(plan, local, { model, threads: 1 });
  const { base } = plan;
  const trainer = await openTrainer(await deriveEpoch(plan, { optimizer, labelSmoothing: 0, gradientNorm: 5 }), plan, {
    optimizer,
    threads: 1,
    ...caches.train,
  });
  const evaluator = await openEvaluator(await deriveEvaluation(plan), plan, base.logits.name, 1);
  const fit: Pick<FitOptions, "batches" | "start" | "chance" | "score" | "onEpoch" | "signal"> = {
    batches: { ...caches.batches, mix: 0.5, batch: 8 },
    start: startParameters(plan),
    chance: Math.log(TOY.classes),
    score: async (parameters: Tensors): Promise<Metrics> => ({
      heldOut: score(await evaluator.logits(caches.heldOut.cache, parameters), caches.heldOut.labels),
      rehearsal: null,
    }),
    onEpoch: () => {},
    signal: undefined,
  };
  return {
    trainer,
    fit,
    rows: caches.train.labels.length,
    async close() {
      await trainer.close();
      await evaluator.close();
    },
  };
}
