import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { adapt, createPreprocessor, evaluate, loadModel, type Preprocessor, type Sample } from "../../runtime/index.ts";
import { spokenDigitsFolder } from "../datasets/shared.ts";
import { LABELS, readTakes, UNSEEN_SPEAKERS } from "../models/spoken-digits/takes.ts";
import { markdownTable, meanAndDeviation, median } from "./tables.ts";

const TAKES_TO_LEARN_FROM = Array.from({ length: 10 }, (_, take) => take);
const TAKES_TO_TEST_ON = Array.from({ length: 40 }, (_, take) => take + 10);
const RECORDINGS = "scripts/demo/recordings/board-a";
const SEEDS = [1, 2, 3, 4, 5];
const METHODS = [
  ...["head", "bias", "head+bias", "scale", "bias+scale", "sparse", "layerwise", "lora", "adapter", "prompt"],
  ...["adaptive", "full"],
];
/** The same samples as if nobody had labelled them. */
const WITHOUT_LABELS = "bias+scale, no labels";
/** What the others are measured by. */
const REFERENCE = "full";

/** Something to adapt to: samples to learn from, and others to judge by. */
interface Job {
  name: string;
  samples: readonly Sample[];
  test: readonly Sample[];
}

/**
 * Voices that the base never heard, trained on ten takes of each digit and tested on the other forty, and a microphone in a box; every
 * method as it comes, with a learning rate that it finds itself.
 */
export async function benchAdaptation(threads: number): Promise<string> {
  const model = await loadModel("models/spoken-digits");
  const preprocessor = createPreprocessor(model.card.preprocessing);
  const voices = await unseenVoices(preprocessor);
  const rows: string[][] = [];
  for (const { name, samples, test } of [...voices, await boxedMicrophone(preprocessor)]) {
    const before = await evaluate({ model, samples: test });
    const results = new Map<string, Result>();
    for (const entry of [...METHODS, WITHOUT_LABELS]) {
      const [method] = entry.split(",") as [string];
      const learnt = entry === WITHOUT_LABELS ? samples.map((sample) => ({ ...sample, label: null })) : samples;
      const runs: Run[] = [];
      for (const seed of SEEDS) {
        const run = await adapt({ model, samples: learnt, method, seed, threads, clockMs: () => performance.now() });
        const after = await evaluate({ model, adapter: run.adapter, samples: test });
        runs.push({ ...run.report, percent: after.accuracy * 100 });
      }
      results.set(entry, resultOf(runs));
    }
    const reference = results.get(REFERENCE)!.mean;
    for (const [method, { shown, mean, worst, rest }] of results) {
      const difference = method === REFERENCE ? "" : signed(mean - reference);
      rows.push([name, method, percent(before.accuracy * 100), shown, percent(worst), difference, ...rest]);
    }
  }
  const header = ["job", "method", "before", "after, mean ± sd", "worst seed", `against ${REFERENCE}`];
  const note = voices.length === 0 ? "(without voices: no Free Spoken Digit Dataset; set LICHEN_SHARED)\n\n" : "";
  return `${note}${markdownTable([...header, "seconds", "adapter bytes", "trained parameters"], rows)}`;
}

type Run = Awaited<ReturnType<typeof adapt>>["report"] & { percent: number };

interface Result {
  shown: string;
  mean: number;
  worst: number;
  rest: readonly string[];
}

function resultOf(runs: readonly Run[]): Result {
  const percents = runs.map((run) => run.percent);
  return {
    shown: meanAndDeviation(percents, 1),
    mean: percents.reduce((sum, value) => sum + value, 0) / percents.length,
    worst: Math.min(...percents),
    rest: [
      median(runs.map((run) => run.seconds.total)).toFixed(2),
      String(Math.max(...runs.map((run) => run.adapterBytes))),
      String(Math.max(...runs.map((run) => run.trainableParameters))),
    ],
  };
}

async function unseenVoices(preprocessor: Preprocessor): Promise<Job[]> {
  const data = spokenDigitsFolder();
  if (!existsSync(data)) return [];
  const samplesOf = async (speaker: string, takes: readonly number[]): Promise<Sample[]> =>
    (await readTakes(data, preprocessor, [speaker], takes)).map(({ label, features }) => ({
      label: LABELS[label]!,
      features,
    }));
  return Promise.all(
    UNSEEN_SPEAKERS.map(async (name) => ({
      name,
      samples: await samplesOf(name, TAKES_TO_LEARN_FROM),
      test: await samplesOf(name, TAKES_TO_TEST_ON),
    })),
  );
}

/** The demo's recordings: folders named as the classes. */
async function boxedMicrophone(preprocessor: Preprocessor): Promise<Job> {
  const samplesIn = async (folder: string): Promise<Sample[]> => {
    const found: Sample[] = [];
    for (const label of (await readdir(folder)).sort()) {
      for (const file of (await readdir(path.join(folder, label))).sort()) {
        const at = path.join(folder, label, file);
        found.push({ label, features: await preprocessor.features(await readFile(at), at) });
      }
    }
    return found;
  };
  const [samples, test] = [await samplesIn(`${RECORDINGS}/train`), await samplesIn(`${RECORDINGS}/test`)];
  return { name: path.basename(RECORDINGS), samples, test };
}

const percent = (value: number): string => `${value.toFixed(1)} %`;
const signed = (points: number): string => `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`;
