import type { OfflineAdaptOptions, OfflineAdaptResult } from "../../offline/adapt.ts";
import { bytes, facts, grouped, percent, short } from "../terminal.ts";

type Fact = readonly [name: string, value: string];

/** What came of training, for a person: first whether it may be served, and why. */
export function readableAdapt(result: OfflineAdaptResult, asked: Pick<OfflineAdaptOptions, "learningRate">): string {
  const { gate, seconds, trainingStateBytes: state } = result;
  const rate = `${Number(result.learningRate.toPrecision(3))}`;
  return facts([
    ["adapter", `${result.out} (${short(result.sha256)}, ${bytes(result.adapterBytes)})`],
    ["gate", `${gate.accepted ? "accepted" : "refused"}, ${gate.reason}: ${gate.explanation}`],
    ...gains(result),
    ...windows(result),
    [
      "trained",
      `${result.method}: ${grouped(result.trainableParameters)} parameters behind ${result.frontier.join(", ")}`,
    ],
    ...chosen(result),
    [
      "epochs",
      `${result.epochs}; ${result.bestEpoch === 0 ? "none was better than the start" : `kept is number ${result.bestEpoch}`}`,
    ],
    ["learning rate", typeof asked.learningRate === "number" ? rate : `${rate}, found by trying`],
    ["training state", `${bytes(state.predicted)} predicted, ${bytes(state.measured)} measured`],
    ["process", `${bytes(result.peakRssBytes)} at most`],
    [
      "seconds",
      `${seconds.total.toFixed(1)}: plan ${seconds.derive.toFixed(1)}, cache ${seconds.cache.toFixed(1)}, train ${seconds.train.toFixed(1)}`,
    ],
  ]);
}

/** Where samples are not simply files. */
const windows = ({ data: { samples, recordings } }: OfflineAdaptResult): Fact[] =>
  recordings < samples ? [["samples", `${samples} windows of ${recordings} recordings`]] : [];

/** What `adaptive` decided. */
function chosen({ explanation }: OfflineAdaptResult): Fact[] {
  if (!explanation) return [];
  const { layers, from } = explanation;
  const gain = layers.reduce((sum, each) => sum + each.gain, 0);
  return [
    [
      "chosen",
      `${layers.length} layers from ${from} on, with ${percent(gain)} of what all could learn; lichen plan shows each`,
    ],
  ];
}

/** On each thing there is to judge by: before → after. */
function gains({ before, after, newClasses, replaced }: OfflineAdaptResult): Fact[] {
  const found: Fact[] = [];
  if (after.heldOut) {
    const { accuracy, samples, perClass } = after.heldOut;
    // What served before has no answer to samples of new classes.
    const fewer = before.heldOut && before.heldOut.samples < samples ? ` of ${before.heldOut.samples}` : "";
    found.push(["held out", `${percent(before.accuracy)}${fewer} → ${percent(accuracy)} of ${samples}`]);
    if (perClass && newClasses.length > 0) {
      const old = Object.keys(perClass).filter((name) => !newClasses.includes(name));
      const fresh = newClasses.filter((name) => name in perClass);
      if (!replaced) found.push(["old classes", `${total(before.heldOut?.perClass, old)} → ${total(perClass, old)}`]);
      found.push(["new classes", `${total(perClass, fresh)}: ${newClasses.join(", ")}`]);
    }
  }
  if (before.rehearsal && after.rehearsal) {
    const lost = (before.rehearsal.accuracy - after.rehearsal.accuracy) * 100;
    const change =
      lost > 0 ? `loses ${lost.toFixed(1)} points` : lost < 0 ? `gains ${(-lost).toFixed(1)} points` : "loses nothing";
    const [was, is] = [before.rehearsal, after.rehearsal].map(({ accuracy }) => percent(accuracy));
    found.push(["rehearsal", `${was} → ${is} of ${after.rehearsal.samples}: ${change}`]);
  }
  for (const [name, key] of [
    ["held out", "heldOut"],
    ["rehearsal", "rehearsal"],
  ] as const) {
    const [was, is] = [before.losses?.[key], after.losses?.[key]];
    if (was && is) found.push([name, `loss ${was.loss.toPrecision(3)} → ${is.loss.toPrecision(3)} of ${is.samples}`]);
  }
  if (before.confidence && after.confidence) {
    const [was, is] = [before.confidence, after.confidence];
    found.push(["unlabelled", `entropy ${was.entropy.toFixed(2)} → ${is.entropy.toFixed(2)} of ${is.samples}`]);
  }
  return found;
}

/** Of several classes together. */
function total(
  perClass: Readonly<Record<string, { samples: number; correct: number }>> | undefined,
  names: readonly string[],
): string {
  const own = names.flatMap((name) => perClass?.[name] ?? []);
  const [samples, correct] = (["samples", "correct"] as const).map((key) =>
    own.reduce((sum, each) => sum + each[key], 0),
  ) as [number, number];
  return samples === 0 ? "–" : `${percent(correct / samples)} of ${samples}`;
}
