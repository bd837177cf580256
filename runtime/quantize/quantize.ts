import { LichenError } from "../errors.ts";
import { normalizeModel } from "../normalize/index.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Model } from "../onnx/graph.ts";
import { assertNumbers } from "../onnx/numbers.ts";
import type { Pass } from "./calibration/observe.ts";
import type { CalibrationMethod } from "./calibration/ranges.ts";
import { chosen, countSamples, repeatable, type Samples } from "./calibration/samples.ts";
import { type Candidate, candidatesOf } from "./candidates.ts";
import { withCorrectedBiases } from "./correct-biases.ts";
import { foldedModel } from "./folding/index.ts";
import { layerNoise, outputNoise } from "./noise.ts";
import { matcher } from "./patterns.ts";
import { probe } from "./probe.ts";
import { comparedLayers, floatNodes, type QuantizationReport } from "./report.ts";
import { TARGETS, type Target } from "./targets.ts";

export interface QuantizeOptions {
  /** Inputs of the model as it will meet them; a hundred or two will do. */
  samples: Samples;
  /**
   * How a value's range follows from what was seen; `minmax` by default. `auto` takes the one whose answers are nearest to the float
   * model's on samples held out from calibration.
   */
  method?: CalibrationMethod | "auto";
  /** Cross-layer equalization; off by default. `auto` keeps it where that brings the answers nearer. */
  equalize?: boolean | "auto";
  /** Bias correction, kept where it brings the answers nearer; off by default. */
  correctBiases?: boolean;
  /** Which integer kernels run the model: `x64` by default, with uint8 activations; `arm64` with int8 ones. */
  target?: Target;
  /** Weights in ±64, so that machines without VNNI agree with all others to the bit. On by default for x64. */
  reducedRange?: boolean;
  /** Names of nodes that stay in float; «*» stands for anything. */
  float?: readonly string[];
  threads?: number;
  signal?: AbortSignal;
  onProgress?: (progress: QuantizeProgress) => void;
}

export interface QuantizeProgress {
  phase: "calibrate" | "choose" | "correct" | "measure";
  done: number;
  total: number;
}

/**
 * A float model as int8, as `quantizeWithReport` makes it, without measuring what became of each layer.
 * @throws TOO_FEW_SAMPLES without calibration samples; UNSUPPORTED_OPERATOR, MODEL_CORRUPT
 */
export async function quantizeModel(model: Model, options: QuantizeOptions): Promise<Model> {
  return (await quantized(model, options)).model;
}

/**
 * A float model as int8: QuantizeLinear and DequantizeLinear around every operator that has a rule, in the one form that ONNX Runtime
 * fuses to integer kernels and that the engine derives its training graphs from. What has no rule stays in float, and so does
 * what only leads to the answers. The input keeps its name and is quantized to «‹input›_q». A model that is quantized in part
 * keeps what it has.
 * @throws TOO_FEW_SAMPLES without calibration samples; UNSUPPORTED_OPERATOR for what ONNX Runtime's standard operators do not cover,
 * MODEL_CORRUPT
 */
export async function quantizeWithReport(
  model: Model,
  options: QuantizeOptions,
): Promise<{ model: Model; report: QuantizationReport }> {
  const found = await quantized(model, options);
  const { best, candidates, heldOut } = found;
  options.onProgress?.({ phase: "measure", done: 0, total: 1 });
  const { layers, reals } = comparedLayers(best);
  const noise = await layerNoise(best.graph, found.unsigned, layers, reals, best.probed, heldOut);
  const outputDecibels = found.decibels ?? (await outputNoise(found.float, found.unsigned, heldOut));
  options.onProgress?.({ phase: "measure", done: 1, total: 1 });
  return {
    model: found.model,
    report: {
      method: best.method,
      equalizedPairs: best.equalizedPairs,
      biasesCorrected: found.biasesCorrected,
      target: options.target ?? "x64",
      weightLimit: found.limit,
      samples: found.samples,
      candidates: candidates.map(({ method, equalizedPairs, decibels }) => ({
        method,
        equalized: equalizedPairs > 0,
        decibels: decibels!,
      })),
      outputDecibels,
      layers: noise,
      float: floatNodes(best, found.stays),
      bytes: { before: encodeModel(model).length, after: encodeModel(found.model).length },
    },
  };
}

/** Every fifth sample is held out where something is chosen by samples; of fewer than ten, none can be spared. */
const HELD_OUT = 5;
const ENOUGH_TO_HOLD_OUT = 10;

/** Means settle soon, and what a layer hands on is kept for each sample. */
const CORRECTION_SAMPLES = 64;

async function quantized(model: Model, options: QuantizeOptions) {
  const { method = "minmax", equalize = false, threads = 1, signal, onProgress } = options;
  const samples = await repeatable(options.samples);
  const { count, first } = await countSamples(samples);
  const choice = method === "auto" || equalize === "auto" || options.correctBiases === true;
  const holdsOut = choice && count >= ENOUGH_TO_HOLD_OUT;
  const pass = (wanted: (place: number) => boolean): Pass => ({ samples: chosen(samples, wanted), threads, signal });
  const calibration = holdsOut ? pass((place) => place % HELD_OUT !== 0) : { samples, threads, signal };
  const heldOut = holdsOut ? pass((place) => place % HELD_OUT === 0) : { samples, threads, signal };

  const float = oneInput(normalizeModel(model));
  assertNumbers(float.graph);
  const target = TARGETS[options.target ?? "x64"];
  const limit = options.reducedRange === undefined ? target.weightLimit : options.reducedRange ? 64 : 127;
  const stays = matcher(options.float ?? []);
  const graph = await foldedModel(float, first);
  const base = { graph, probed: await probe(graph, first), stays, limit };

  onProgress?.({ phase: "calibrate", done: 0, total: 1 });
  const candidates = await candidatesOf(base, { method, equalize }, calibration);
  onProgress?.({ phase: "calibrate", done: 1, total: 1 });
  let best: Candidate = candidates[0]!;
  if (choice) {
    for (const [at, candidate] of candidates.entries()) {
      onProgress?.({ phase: "choose", done: at, total: candidates.length });
      candidate.decibels = await outputNoise(float, candidate.model, heldOut);
      if (candidate.decibels > best.decibels!) best = candidate;
    }
    onProgress?.({ phase: "choose", done: candidates.length, total: candidates.length });
  }

  let unsigned = best.model;
  /** How near the answers are, where something was chosen by it. */
  let decibels = best.decibels;
  let biasesCorrected = false;
  if (options.correctBiases) {
    onProgress?.({ phase: "correct", done: 0, total: 1 });
    const layers = new Set(comparedLayers(best).layers.map(({ name }) => name));
    const few = { ...calibration, samples: chosen(calibration.samples, (place) => place < CORRECTION_SAMPLES) };
    const corrected = await withCorrectedBiases(unsigned, best.graph, layers, best.probed, few);
    const then = await outputNoise(float, corrected, heldOut);
    biasesCorrected = then > decibels!;
    if (biasesCorrected) [unsigned, decibels] = [corrected, then];
    onProgress?.({ phase: "correct", done: 1, total: 1 });
  }
  return {
    model: { ...target.finish(unsigned), metadata: model.metadata },
    unsigned,
    float,
    best,
    decibels,
    candidates: choice ? candidates : [],
    biasesCorrected,
    heldOut,
    limit,
    stays,
    samples: {
      calibration: holdsOut ? count - Math.ceil(count / HELD_OUT) : count,
      heldOut: holdsOut ? Math.ceil(count / HELD_OUT) : 0,
    },
  };
}

function oneInput(model: Model): Model {
  const { inputs, name } = model.graph;
  if (inputs.length === 1 && inputs[0]!.type === "float32") return model;
  throw new LichenError("UNSUPPORTED_OPERATOR", {
    at: `graph ${name}`,
    found: `inputs ${inputs.map((input) => `${input.name}: ${input.type}`).join(", ")}`,
    wanted: "one of float32",
  });
}
