import path from "node:path";
import { encodeSafetensors } from "../../runtime/adapter/safetensors.ts";
import { prepareBase } from "../../runtime/derive/base.ts";
import { deriveDeploy } from "../../runtime/derive/deploy.ts";
import { deriveEpoch } from "../../runtime/derive/epoch.ts";
import { deriveEvaluation } from "../../runtime/derive/evaluation.ts";
import { derivePrefix } from "../../runtime/derive/prefix.ts";
import { LichenError } from "../../runtime/index.ts";
import { LOSSES, type LossName } from "../../runtime/losses/index.ts";
import { decodeModel } from "../../runtime/onnx/decode.ts";
import { encodeModel } from "../../runtime/onnx/encode.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import { OPTIMIZERS, type OptimizerName } from "../../runtime/optimizers/index.ts";
import { sha256 } from "../../runtime/package/package.ts";
import { makePlan, type Plan, startParameters } from "../../runtime/plan/plan.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { makeFolder } from "../disk/folder.ts";
import { type DocumentedGraph, documentGraph, type GraphName } from "./derived/document.ts";
import { readmeOf } from "./derived/readme.ts";
import { readModelFile } from "./model-file.ts";

export interface OfflineDeriveOptions {
  model: string;
  method: string;
  out: string;
  targets?: readonly string[];
  loss?: string;
  optimizer?: string;
  gradientNorm?: number;
}

/** The schema of `lichen derive --json`, and of `graphs.json`. */
export interface OfflineDeriveResult {
  schema: "lichen/derive/1";
  /** sha256 of the base. */
  base: string;
  method: string;
  /** What is trained where. */
  plan: Plan["spec"];
  frontier: readonly string[];
  trainableParameters: number;
  parameters: readonly { name: string; dims: readonly number[] }[];
  loss: string;
  optimizer: string;
  gradientNorm: number;
  graphs: readonly DocumentedGraph[];
}

const DEFAULTS = { loss: "cross-entropy", optimizer: "adam", gradientNorm: 5 } as const;

/**
 * Writes the graphs that training a model by a method consists of, with a page that explains them; nothing in them is particular
 * to Lichen.
 * @throws MODEL_NOT_FOUND, MODEL_CORRUPT, UNSUPPORTED_OPERATOR, NO_SHAPE, UNKNOWN_METHOD, NOTHING_TO_TRAIN, NO_GRADIENT, BAD_ARGUMENT
 */
export async function runOfflineDerive(options: OfflineDeriveOptions): Promise<OfflineDeriveResult & { out: string }> {
  const loss = oneOf("--loss", LOSSES, options.loss ?? DEFAULTS.loss);
  const optimizer = oneOf("--optimizer", OPTIMIZERS, options.optimizer ?? DEFAULTS.optimizer);
  const gradientNorm = options.gradientNorm ?? DEFAULTS.gradientNorm;
  const { file, bytes } = await readModelFile(options.model);
  const plan = makePlan(prepareBase(decodeModel(bytes, file)), options.method, {
    ...(options.targets && { targets: options.targets }),
  });
  const models = await deriveAll(plan, { loss, optimizer, gradientNorm });
  const result: OfflineDeriveResult = {
    schema: "lichen/derive/1",
    base: sha256(bytes),
    method: plan.method,
    plan: plan.spec,
    frontier: plan.frontier,
    trainableParameters: plan.trainableParameters,
    parameters: plan.parameters.map(({ name, dims }) => ({ name, dims })),
    loss,
    optimizer,
    gradientNorm,
    graphs: [...models].map(([name, model]) => documentGraph(name, model, plan)),
  };
  await writeFolder(options.out, {
    ...Object.fromEntries([...models].map(([name, model]) => [`${name}.onnx`, encodeModel(model)])),
    "start.safetensors": encodeSafetensors(new Map(Object.entries(startParameters(plan))), { method: plan.method }),
    "graphs.json": text(`${JSON.stringify(result, null, 2)}\n`),
    "README.md": text(
      readmeOf({
        ...result,
        model: path.basename(options.model),
        sha256: result.base,
        slots: OPTIMIZERS[optimizer].slots,
      }),
    ),
  });
  return { ...result, out: options.out };
}

async function deriveAll(
  plan: Plan,
  { loss, optimizer, gradientNorm }: { loss: LossName; optimizer: OptimizerName; gradientNorm: number },
): Promise<Map<GraphName, Model>> {
  const prefix = derivePrefix(plan);
  return new Map<GraphName, Model>([
    ...(prefix ? [["prefix", prefix] as const] : []),
    ["epoch", await deriveEpoch(plan, { optimizer, gradientNorm, terms: [{ loss, weight: 1 }] })],
    ["eval", await deriveEvaluation(plan)],
    ["deploy", await deriveDeploy(plan, startParameters(plan))],
  ]);
}

/** @throws STORAGE_FAILED */
async function writeFolder(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  await makeFolder(nodeDisk, folder);
  for (const [name, bytes] of Object.entries(files)) await writeDurably(nodeDisk, path.join(folder, name), bytes);
}

/** A name of a table. @throws BAD_ARGUMENT naming what there is */
function oneOf<T extends object>(option: string, rows: T, name: string): keyof T & string {
  if (Object.hasOwn(rows, name)) return name as keyof T & string;
  throw new LichenError("BAD_ARGUMENT", { at: option, found: name, wanted: Object.keys(rows).join(", ") });
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
