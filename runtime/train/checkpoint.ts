import * as z from "zod";
import { metricsSchema, parseJson } from "../adapter/adapter.ts";
import { decodeSafetensors, encodeSafetensors, type Safetensors } from "../adapter/safetensors.ts";
import { LichenError } from "../errors.ts";
import type { Tensors } from "../execute/session.ts";
import { bytesOf, type Tensor } from "../onnx/tensor.ts";
import { sha256 } from "../package/package.ts";
import type { FitState } from "./fit.ts";

/** What a run is about. Only the very same run may go on from its checkpoint. */
export interface RunIdentity {
  /** sha256 of the base model. */
  base: string;
  method: string;
  /** Stands for everything else that the outcome depends on: targets, samples, options, seed. */
  plan: string;
}

const count = z.int().nonnegative();
const descriptionSchema = z.object({
  format: z.literal(1),
  run: z.object({ base: z.string(), method: z.string(), plan: z.string() }),
  epoch: count,
  retries: count,
  learningRate: z.number().positive(),
  steps: count,
  best: z.object({ epoch: count, metrics: metricsSchema }),
  before: metricsSchema,
  random: count.max(2 ** 32 - 1),
  high: count,
  limit: z.number().nullable(),
});

/** Keys of the metadata; the seal is over everything else, since safetensors itself would take a flipped bit for a number. */
const [DESCRIPTION, SEAL] = ["lichen.checkpoint", "lichen.seal"];

/** Where the tensors of a run and of its best epoch stand in the file. */
const [TRAINING, BEST] = ["training:", "best:"];

/** A run between two epochs, as safetensors. The same state gives the same bytes. */
export function encodeCheckpoint(state: FitState, run: RunIdentity): Uint8Array {
  const { training, best, ...rest } = state;
  const description = JSON.stringify({
    format: 1,
    run,
    ...rest,
    steps: training.steps,
    best: { epoch: best.epoch, metrics: best.metrics },
  });
  const tensors = new Map([...prefixed(TRAINING, training.values), ...prefixed(BEST, best.parameters)]);
  return encodeSafetensors(tensors, { [DESCRIPTION]: description, [SEAL]: seal(description, tensors) });
}

/** @throws CHECKPOINT_CORRUPT for anything but a whole one; CHECKPOINT_WRONG for one of another run */
export function decodeCheckpoint(bytes: Uint8Array, run: RunIdentity, at: string): FitState {
  const { tensors, metadata } = decoded(bytes, at);
  const text = metadata[DESCRIPTION];
  if (text === undefined || metadata[SEAL] !== seal(text, tensors)) {
    throw new LichenError("CHECKPOINT_CORRUPT", {
      at,
      found: "content without its seal",
      wanted: "a whole checkpoint",
    });
  }
  const parsed = descriptionSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new LichenError("CHECKPOINT_CORRUPT", { at: `${at}: ${issue.path.join(".")}`, wanted: issue.message });
  }
  const { run: found, format: _, steps, best, ...rest } = parsed.data;
  const other = (["base", "method", "plan"] as const).find((key) => found[key] !== run[key]);
  if (other)
    throw new LichenError("CHECKPOINT_WRONG", { at: `${at}: ${other}`, found: found[other], wanted: run[other] });
  return {
    ...rest,
    training: { values: unprefixed(TRAINING, tensors), steps },
    best: { ...best, parameters: unprefixed(BEST, tensors) },
  };
}

function decoded(bytes: Uint8Array, at: string): Safetensors {
  try {
    return decodeSafetensors(bytes, at);
  } catch (cause) {
    const details = cause instanceof LichenError ? cause.details : {};
    throw new LichenError("CHECKPOINT_CORRUPT", { at, ...details, cause });
  }
}

function seal(description: string, tensors: ReadonlyMap<string, Tensor>): string {
  const names = [...tensors.keys()].sort();
  const parts = names.map((name) => {
    const { type, dims } = tensors.get(name)!;
    return `${name} ${type}[${dims}] ${sha256(bytesOf(tensors.get(name)!))}`;
  });
  return sha256(new TextEncoder().encode([description, ...parts].join("\n")));
}

const prefixed = (prefix: string, values: Tensors): [string, Tensor][] =>
  Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]);

const unprefixed = (prefix: string, tensors: ReadonlyMap<string, Tensor>): Tensors =>
  Object.fromEntries(
    [...tensors].flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
  );
