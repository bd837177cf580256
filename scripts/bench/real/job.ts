import {
  type Adapter,
  type AdaptReport,
  adapt,
  evaluate,
  type ModelPackage,
  type Sample,
} from "../../../runtime/index.ts";
import type { AdaptOptions } from "../../../runtime/train/request.ts";
import { markdownTable, meanAndDeviation, median } from "../tables.ts";

/** Something that happens to a real model, with all that it takes to learn from it and to judge. */
export interface Situation {
  name: string;
  model: ModelPackage;
  /** To learn from; which ones may depend on the seed. */
  samples(seed: number): readonly Sample[];
  tests: readonly Test[];
}

export interface Test {
  name: string;
  samples: readonly Sample[];
  /** The accuracy that the model had before anything happened, 0 to 1: how much of what is lost comes back is then told. */
  whole?: number;
}

/** A way of adapting: what is asked of `adapt`, beside the samples. */
export type Way = Pick<AdaptOptions, "method"> &
  Omit<Partial<AdaptOptions>, "model" | "samples" | "seed"> & {
    /** Whether nobody has labelled the samples. */
    unlabelled?: true;
  };

export interface RealJob {
  /** What is adapted to what, and from how much. */
  about: string;
  ways: readonly Way[];
  /** null where models or data are not on this machine. */
  situations(): Promise<readonly Situation[] | null>;
}

/** A table of every way in every situation: before, after, and what it took. */
export async function runJob({ about, ways, situations }: RealJob, seeds: readonly number[], threads: number) {
  const found = await situations();
  if (!found) return `${about}\n\n(not measured: its model or its data are not on this machine)`;
  const rows: string[][] = [];
  for (const situation of found) {
    const before = await accuracies(situation);
    for (const way of ways) rows.push(...(await rowsOf(situation, way, before, seeds, threads)));
  }
  const header = ["situation", "way", "tested on", "before", "after, mean ± sd", "worst seed", "comes back"];
  return `${about}\n\n${markdownTable([...header, "seconds", "adapter bytes", "gate"], rows)}`;
}

async function rowsOf(
  situation: Situation,
  way: Way,
  before: readonly (number | null)[],
  seeds: readonly number[],
  threads: number,
): Promise<string[][]> {
  const runs: (Omit<AdaptReport, "after"> & { reason: string; after: (number | null)[] })[] = [];
  for (const seed of seeds) {
    const { model } = situation;
    const { unlabelled, ...options } = way;
    const samples = situation.samples(seed).map((sample) => (unlabelled ? { ...sample, label: null } : sample));
    const run = await adapt({ threads, ...options, model, samples, seed, clockMs: () => performance.now() });
    const after = await accuracies(situation, run.adapter);
    runs.push({ ...run.report, reason: run.decision.reason, after });
    process.stderr.write(
      `${situation.name}, ${nameOf(way)}, seed ${seed}: ${after.map((share) => percent(share ?? 0)).join(", ")}\n`,
    );
  }
  return situation.tests.map(({ name, whole }, at) => {
    const points = runs.map(({ after }) => after[at]! * 100);
    const mean = points.reduce((sum, value) => sum + value, 0) / points.length;
    const was = before[at] ?? null;
    return [
      situation.name,
      nameOf(way),
      name,
      was === null ? "–" : percent(was),
      points.length > 1 ? meanAndDeviation(points, 1) : percent(mean / 100),
      percent(Math.min(...points) / 100),
      whole === undefined || was === null ? "" : `${Math.round(((mean / 100 - was) / (whole - was)) * 100)} %`,
      median(runs.map(({ seconds }) => seconds.total)).toFixed(1),
      String(Math.max(...runs.map(({ adapterBytes }) => adapterBytes))),
      [...new Set(runs.map(({ reason }) => reason))].join(", "),
    ];
  });
}

/** On each test; null where the model has other classes than the test. */
async function accuracies({ model, tests }: Situation, adapter?: Adapter): Promise<(number | null)[]> {
  const classes = adapter?.description.classes ?? model.card.labels;
  const found: (number | null)[] = [];
  for (const { samples } of tests) {
    const answers = samples.every(({ label }) => classes.includes(label as string));
    found.push(answers ? (await evaluate({ model, samples, ...(adapter && { adapter }) })).accuracy : null);
  }
  return found;
}

/** The method, and what of the rest is not by default. */
const nameOf = ({ method, targets, align, unlabelled, views, epochs, labelSmoothing, rehearsalMix }: Way): string =>
  [
    method,
    align && "aligned",
    unlabelled && "no labels",
    targets && `of ${targets.join(",")}`,
    views && `${views} views`,
    epochs && `${epochs} epochs`,
    labelSmoothing && `smoothing ${labelSmoothing}`,
    rehearsalMix !== undefined && `mix ${rehearsalMix}`,
  ]
    .filter(Boolean)
    .join(", ");

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
