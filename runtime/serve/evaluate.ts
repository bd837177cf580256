import type { Adapter, AdapterDescription, Metrics, Score } from "../adapter/adapter.ts";
import { beforeActivation } from "../derive/base.ts";
import { assertWanted, LichenError } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import { decide } from "../gate/decision.ts";
import { type GateDecision, type GatePolicy, gate } from "../gate/gate.ts";
import { asModel } from "../onnx/builder.ts";
import { decodeModel } from "../onnx/decode.ts";
import { sliceRows, type Tensor } from "../onnx/tensor.ts";
import type { ModelPackage } from "../package/package.ts";
import { cut } from "../passes/cut.ts";
import { inferTypes } from "../shapes/infer.ts";
import { classesOf, labelIndex, splitRehearsal } from "../train/samples.ts";
import { argmax, rows, score } from "../train/score.ts";
import { answersOf, type EvaluateOptions } from "./answers.ts";
import { servedModel } from "./merge.ts";
import { OUTPUTS } from "./outputs.ts";

export interface Evaluation {
  samples: number;
  accuracy: number;
  /** Mean cross-entropy, nats. */
  loss: number;
  perClass: Record<string, { samples: number; accuracy: number }>;
  /** Mean time of an inference, one sample at a time. */
  millisecondsPerSample: number;
}

/** How well the model that would be served classifies samples. @throws UNKNOWN_CLASS, TOO_FEW_SAMPLES, BAD_CARD, CANCELLED, ADAPTER_… */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { model, samples } = options;
  const classes = classesOf(model, options.adapter);
  const labels = samples.map((sample) => labelIndex(classes, sample));
  const served = await servedModel(model, options.adapter);
  const { logits, milliseconds } = await answersOf(options, served);
  checkOutputs(model, logits, classes);
  const total = score(logits, labels);
  if (!total) throw new LichenError("TOO_FEW_SAMPLES", { found: 0, wanted: "at least one" });
  const perClass: Evaluation["perClass"] = {};
  classes.forEach((name, index) => {
    const members = labels.flatMap((label, at) => (label === index ? [at] : []));
    if (members.length === 0) return;
    const correct = members.filter((at) => argmax(logits[at]!) === index).length;
    perClass[name] = { samples: members.length, accuracy: correct / members.length };
  });
  return { ...total, perClass, millisecondsPerSample: milliseconds / samples.length };
}

/** @throws BAD_CARD when the outputs are no classes, or others than the labels name */
function checkOutputs(model: ModelPackage, logits: readonly Float32Array[], classes: readonly string[]): void {
  const odd = logits.find(({ length }) => length !== classes.length);
  if (!odd) return;
  throw new LichenError("BAD_CARD", {
    at: model.path,
    found: `${odd.length} outputs`,
    wanted: `${classes.length}, one for each label`,
    todo: "correct the labels, or say which loss the model was made for (--loss)",
  });
}

export interface AppraiseOptions extends Omit<EvaluateOptions, "adapter"> {
  candidate: Adapter;
  /** What is served now; without one, the bare base. */
  incumbent?: Adapter;
  policy?: GatePolicy;
}

/**
 * Puts an adapter that came from elsewhere to the gate: local samples, where there are some, and the rehearsal pack. One whose classes
 * replace those of the model is for whoever asked for it: beside what serves now it has nothing to be compared by.
 */
export async function appraise(
  options: AppraiseOptions,
): Promise<{ decision: GateDecision; metrics: { before: Metrics; after: Metrics } }> {
  const [candidate, incumbent] = [options.candidate, options.incumbent].map((each) => each?.description);
  if ((candidate!.replaced || incumbent?.replaced) && !sameAnswers(candidate!, incumbent)) {
    const metrics = { heldOut: null, rehearsal: null };
    const facts = `${candidate!.classes.length} classes: ${candidate!.classes.slice(0, 10).join(", ")}`;
    return { decision: decide("OTHER_CLASSES", facts), metrics: { before: metrics, after: metrics } };
  }
  const before = await measure(options, options.incumbent);
  const after = await measure(options, options.candidate);
  return {
    decision: gate(before, after, "peer", options.policy, candidate),
    metrics: { before, after },
  };
}

const sameAnswers = (a: AdapterDescription, b: AdapterDescription | undefined): boolean =>
  a.replaced === b?.replaced && a.classes.join("\n") === b?.classes.join("\n");

async function measure(options: AppraiseOptions, adapter: Adapter | undefined): Promise<Metrics> {
  const { model, samples } = options;
  const served = await servedModel(model, adapter);
  // Of classes that only the other adapter knows there is no score.
  const classes = classesOf(model, options.candidate);
  const labels = samples.map((sample) => labelIndex(classes, sample));
  const { replaced } = options.candidate.description;
  const names = replaced || classes.length > model.card.labels.length ? classes : undefined;
  return {
    heldOut: score((await answersOf(options, served)).logits, labels, names),
    rehearsal: replaced ? null : await measureRehearsal(served, options),
  };
}

/** The served model from the value that the pack holds, on the examples that never train. */
async function measureRehearsal(
  served: Uint8Array,
  { model, threads = 1, signal }: AppraiseOptions,
): Promise<Score | null> {
  const { rehearsal } = model;
  if (!rehearsal) return null;
  const { graph } = decodeModel(served, model.path);
  const output = graph.outputs[0]!.name;
  const { activation } = beforeActivation(graph, output);
  const session = await openSession(asModel(cut(graph, inferTypes(graph), [rehearsal.value], [output])), { threads });
  try {
    const { heldOut } = splitRehearsal(rehearsal);
    const logits: Float32Array[] = [];
    for (const at of heldOut) {
      assertWanted(signal, "rehearsal");
      const { [output]: row } = await session.run({ [rehearsal.value]: sliceRows(rehearsal.features, at, at + 1) });
      logits.push(...rows(row as Tensor).map(OUTPUTS[activation].logits));
    }
    return score(
      logits,
      heldOut.map((at) => rehearsal.labels[at]!),
    );
  } finally {
    await session.close();
  }
}
