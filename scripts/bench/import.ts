import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openSession, type Session } from "../../runtime/execute/session.ts";
import { normalizeModel } from "../../runtime/normalize/index.ts";
import { decodeModel } from "../../runtime/onnx/decode.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import { concatRows, float32, type Tensor } from "../../runtime/onnx/tensor.ts";
import { createPreprocessor } from "../../runtime/signal/index.ts";
import { lowerTflite } from "../../runtime/tflite/lower.ts";
import type { TfliteModel } from "../../runtime/tflite/model.ts";
import { decodeInput, encodeInput, endsOf, realNumbers } from "./fidelity/codes.ts";
import { type Agreement, compare } from "./fidelity/compare.ts";
import { askLitert, KERNELS } from "./fidelity/litert.ts";
import { FIELD_MODELS, modelPath, preprocessingOf, realFiles } from "./fidelity/models.ts";
import { markdownTable } from "./tables.ts";
import { takeTurns } from "./turns.ts";

const SAMPLES = Number(process.env.LICHEN_SAMPLES ?? 300);
const BATCH = 20;
const ROUNDS = 15;

/** What an imported network answers beside LiteRT, on real inputs, and how long it takes beside the same network in float. */
export async function benchImport(threads: number): Promise<string> {
  const only = process.env.LICHEN_MODELS?.split(",");
  const rows: string[][] = [];
  for (const [file, card] of FIELD_MODELS) {
    if (!existsSync(modelPath(file)) || (only && !only.some((name) => file.includes(name)))) continue;
    const bytes = readFileSync(modelPath(file));
    const { model, input, output } = endsOf(bytes, file);
    const preprocessing = preprocessingOf(card);
    const preprocessor = createPreprocessor(preprocessing);
    const encoded: Uint8Array[] = [];
    let dims: readonly number[] = [];
    for (const sample of realFiles(preprocessing, SAMPLES)) {
      const features = await preprocessor.features(readFileSync(sample), sample);
      dims = features.dims;
      encoded.push(encodeInput(features, input));
    }
    const int8 = normalizeModel(lowerTflite(model));
    const session = await openSession(int8, { threads });
    const inputs = encoded.map((bytes) => decodeInput(bytes, input, dims));
    const ours = await answers(session, int8, inputs, dims);
    await session.close();
    const litert = askLitert(modelPath(file), Buffer.concat(encoded));
    const agreements = KERNELS.map((kernels) =>
      compare(ours, realNumbers(litert[kernels], output), output.elements, output.scale || 1e-4),
    );
    const layers = await layersInIntegers(model, int8);
    const times = await speed(model, int8, inputs[0]!, dims, threads);
    rows.push([file, String(encoded.length), ...agreements.map(shares), layers, ...times]);
  }
  const agreement = KERNELS.map((kernels) => `${kernels} kernels: the same, within a step, furthest, top-1`);
  const header = ["model", "inputs", ...agreement, "layers in integers", "int8", "float", "ratio"];
  return markdownTable(header, rows);
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

const shares = ({ same, withinOne, furthest, top1 }: Agreement): string =>
  [percent(same), percent(withinOne), furthest.toFixed(1), percent(top1)].join(", ");

async function answers(
  session: Session,
  { graph }: Model,
  inputs: readonly Float32Array[],
  dims: readonly number[],
): Promise<Float32Array> {
  const found: Tensor[] = [];
  for (let from = 0; from < inputs.length; from += BATCH) {
    const rows = inputs.slice(from, from + BATCH).map((row) => float32([1, ...dims.slice(1)], row));
    const results = await session.run({ [graph.inputs[0]!.name]: concatRows(rows) });
    found.push(results[graph.outputs[0]!.name]!);
  }
  return concatRows(found).data as Float32Array;
}

const LAYERS = new Set(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"]);
const IN_INTEGERS = new Set(["QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger"]);
const IN_REAL_NUMBERS = new Set(["Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"]);

async function layersInIntegers(model: TfliteModel, int8: Model): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "lichen-fused-"));
  const optimized = path.join(folder, "optimized.onnx");
  await (await openSession(int8, { optimizedModelPath: optimized })).close();
  // ONNX Runtime's own operators may carry attributes and domains that Lichen does not know: only names are wanted.
  const { nodes } = decodeModel(new Uint8Array(readFileSync(optimized)), optimized).graph;
  rmSync(folder, { recursive: true });
  const count = (types: ReadonlySet<string>) => nodes.filter(({ opType }) => types.has(opType)).length;
  const layers = model.operators.filter(({ name }) => LAYERS.has(name)).length;
  return `${count(IN_INTEGERS)} of ${layers}, ${count(IN_REAL_NUMBERS)} in float`;
}

async function speed(
  model: TfliteModel,
  int8: Model,
  sample: Float32Array,
  dims: readonly number[],
  threads: number,
): Promise<string[]> {
  const contestant = async (name: string, network: Model) => {
    const session = await openSession(network, { threads });
    const feeds = { [network.graph.inputs[0]!.name]: float32([1, ...dims.slice(1)], sample) };
    const repeats = 8;
    const run = async () => {
      for (let at = 0; at < repeats; at++) await session.run(feeds);
    };
    return { name, run, close: () => session.close(), parts: repeats };
  };
  const float = normalizeModel(lowerTflite(model, { form: "float" }));
  const times = await takeTurns([await contestant("int8", int8), await contestant("float", float)], ROUNDS);
  const [quantized, real] = [times.get("int8")!, times.get("float")!];
  return [`${quantized.toFixed(2)} ms`, `${real.toFixed(2)} ms`, (real / quantized).toFixed(2)];
}
