import { existsSync } from "node:fs";
import path from "node:path";
import { adapt, createPreprocessor, evaluate, loadModel, type Sample } from "../../runtime/index.ts";
import { LABELS, readTakes, UNSEEN_SPEAKERS } from "../models/spoken-digits/takes.ts";
import { markdownTable, meanAndDeviation, median } from "./tables.ts";

const TAKES_TO_LEARN_FROM = Array.from({ length: 10 }, (_, take) => take);
const TAKES_TO_TEST_ON = Array.from({ length: 40 }, (_, take) => take + 10);
const SEEDS = [1, 2, 3, 4, 5];
const METHODS = ["head", "bias", "head+bias"];

/** A voice the base never heard: trained on ten takes of each digit, tested on the other forty. */
export async function benchAdaptation(threads: number): Promise<string> {
  const data = path.join(process.env.LICHEN_SHARED ?? "../shared", "data/fsdd");
  if (!existsSync(data)) return `(skipped: no Free Spoken Digit Dataset at ${data}; set LICHEN_SHARED)`;
  const model = await loadModel("models/spoken-digits");
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const samplesOf = async (speaker: string, takes: readonly number[]): Promise<Sample[]> =>
    (await readTakes(data, preprocessor, [speaker], takes)).map(({ digit, features }) => ({
      label: LABELS[digit]!,
      features,
    }));

  const rows: string[][] = [];
  for (const speaker of UNSEEN_SPEAKERS) {
    const samples = await samplesOf(speaker, TAKES_TO_LEARN_FROM);
    const test = await samplesOf(speaker, TAKES_TO_TEST_ON);
    const before = await evaluate({ model, samples: test });
    for (const method of METHODS) {
      const runs = [];
      for (const seed of SEEDS) {
        const run = await adapt({ model, samples, method, seed, threads, clockMs: () => performance.now() });
        const after = await evaluate({ model, adapter: run.adapter, samples: test });
        runs.push({ ...run.report, accuracy: after.accuracy });
      }
      rows.push([
        speaker,
        method,
        percent(before.accuracy),
        meanAndDeviation(
          runs.map((run) => run.accuracy * 100),
          1,
        ),
        percent(Math.min(...runs.map((run) => run.accuracy))),
        median(runs.map((run) => run.seconds.cache + run.seconds.train)).toFixed(2),
        String(Math.max(...runs.map((run) => run.adapterBytes))),
      ]);
    }
  }
  return markdownTable(
    ["speaker", "method", "before", "after, mean ± sd", "worst seed", "seconds", "adapter bytes"],
    rows,
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
