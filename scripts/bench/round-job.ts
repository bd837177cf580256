/**
 * A whole round of `adaptive`, in a process of its own so that its memory is its own. Run by round.ts, as
 * `node round-job.js '{"network": …}'`; answers with one line of JSON.
 */
import { createMemoryMeter } from "../../device/memory-meter.ts";
import { prepareBase } from "../../runtime/derive/base.ts";
import { adapt, type ModelPackage, type Sample, sha256 } from "../../runtime/index.ts";
import { isWeighted } from "../../runtime/integer/layers.ts";
import { encodeModel } from "../../runtime/onnx/encode.ts";
import { DEFAULT_BUDGET } from "../../runtime/plan/index.ts";
import { seeded } from "../../runtime/random/random.ts";
import { NETWORKS, type Network, smoothPicture } from "./networks/index.ts";

export interface RoundJob {
  network: string;
  samples: number;
  epochs: number;
  threads: number;
}

export interface RoundResult {
  seconds: number;
  stateBytes: number;
  /** What `adaptive` chose: places of layers among those with weights, and whether their weights are trained or less. */
  chosen: readonly { at: number; part: "bias" | "whole" }[];
}

async function runRound({ network, samples, epochs, threads }: RoundJob): Promise<RoundResult> {
  const { int8, ...rest } = await NETWORKS[network]!();
  const model = packaged({ int8, ...rest });
  const { report } = await adapt({
    model,
    samples: arbitrarySamples(model, samples),
    method: "adaptive",
    // On arbitrary samples every base is lost: it is to choose as where it is nearly right.
    budget: DEFAULT_BUDGET,
    epochs,
    // Nothing can be learnt from arbitrary samples: it is not to stop for that.
    patience: epochs,
    threads,
    clockMs: () => performance.now(),
    meter: createMemoryMeter(),
  });
  const names = prepareBase(int8).layers.flatMap((layer) => (isWeighted(layer) ? [layer.name] : []));
  const chosen = report.explanation!.layers.map(({ at, choice }) => ({
    at: names.indexOf(at),
    part: /whole|weights/.test(choice) ? ("whole" as const) : ("bias" as const),
  }));
  return { seconds: report.seconds.total, stateBytes: report.trainingStateBytes.measured, chosen };
}

/** Without rehearsal samples, of which PyTorch has none either. */
function packaged({ name, int8 }: Network): ModelPackage {
  const bytes = encodeModel(int8);
  const hash = sha256(bytes);
  const [, channels, height, width] = int8.graph.inputs[0]!.shape as [unknown, number, number, number];
  const classes = int8.graph.outputs[0]!.shape!.at(-1) as number;
  const card = {
    format: 1,
    id: name,
    version: "1",
    description: "reference network",
    licence: "none",
    sha256: hash,
    preprocessing: {
      kind: "image",
      ...{ width, height, channels: channels === 3 ? 3 : 1 },
      ...{ mean: Array<number>(channels).fill(0), std: Array<number>(channels).fill(1) },
    },
    labels: Array.from({ length: classes }, (_, at) => `class ${at}`),
    data: [],
    metrics: [],
  } satisfies ModelPackage["card"];
  return { path: name, card, model: int8, bytes, sha256: hash };
}

/** Ten classes; time and memory do not depend on what the numbers are. */
function arbitrarySamples({ card, model }: ModelPackage, count: number): Sample[] {
  const random = seeded(5);
  const dims = model.graph.inputs[0]!.shape.slice(1) as number[];
  return Array.from({ length: count }, (_, at) => ({
    label: card.labels[at % 10]!,
    features: smoothPicture(dims, random),
  }));
}

process.stdout.write(`${JSON.stringify(await runRound(JSON.parse(process.argv[2]!)))}\n`);
