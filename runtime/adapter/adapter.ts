import * as z from "zod";
import { LichenError } from "../errors.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { type ModelPackage, sha256 } from "../package/package.ts";
import { planSpecSchema } from "../plan/plan-spec.ts";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const score = z.object({
  samples: count,
  accuracy: z.number(),
  loss: z.number(),
  /** By class name; carried where classes must be told apart, as when new ones have been added. */
  perClass: z.record(z.string(), z.object({ samples: count, correct: count })).optional(),
});
const lossScore = z.object({ samples: count, loss: z.number() });
const confidence = z.object({
  samples: count,
  /** Mean entropy of each prediction, and entropy of the mean prediction, nats: low and high is what one wants. */
  entropy: z.number(),
  marginalEntropy: z.number(),
  /** Share of the class predicted most often, 0 to 1. */
  topShare: z.number(),
});
/** What came later is optional: older devices read newer adapters. */
export const metricsSchema = z.object({
  heldOut: score.nullable(),
  rehearsal: score.nullable(),
  /** In place of the two above, where a sample has several labels, or its outputs are no classes at all. */
  losses: z.object({ heldOut: lossScore.nullable(), rehearsal: lossScore.nullable() }).optional(),
  /** On held-out samples that nobody has labelled. */
  confidence: confidence.optional(),
});

/** What an adapter says of itself. Unknown fields are kept out, so that older devices read newer adapters of the same format. */
const fields = z.object({
  /** 2: with classes of its own, which older devices would take for more of the model's. */
  format: z.union([z.literal(1), z.literal(2)]),
  base: z.object({ id: z.string(), version: z.string(), sha256: hash }),
  method: z.string().min(1),
  /** Layers that it changes. */
  targets: z.array(z.string()),
  /** Which method trained what, with which settings; what `method` says by itself where absent. */
  plan: planSpecSchema.optional(),
  /** The model's, and behind them those that the adapter adds; its own alone where it replaces the model's. */
  classes: z.array(z.string()).min(1),
  replaced: z.literal(true).optional(),
  samplesPerClass: z.record(z.string(), z.int().nonnegative()),
  metrics: z.object({ before: metricsSchema, after: metricsSchema }),
  lineage: z.object({ parents: z.array(hash), contributors: z.array(z.string()) }),
  createdAt: z.string().nullable(),
  board: z.string().nullable(),
});

const descriptionSchema = fields.refine(({ format, replaced }) => (format === 2) === (replaced === true), {
  path: ["format"],
  error: "2 for an adapter that replaces the model's classes, and 1 for any other",
});

/** How well samples are classified; loss is the mean cross-entropy in nats. */
export type Score = z.infer<typeof score>;
/** How well samples are reproduced, where there is no right or wrong. */
export type LossScore = z.infer<typeof lossScore>;
export type Confidence = z.infer<typeof confidence>;
export type Metrics = z.infer<typeof metricsSchema>;
export type AdapterDescription = z.infer<typeof descriptionSchema>;

export interface Adapter {
  /** Of the file: the adapter's name everywhere. */
  sha256: string;
  bytes: Uint8Array;
  description: AdapterDescription;
  /** Parameters, float32, by `layer/parameter`: differences from the base. */
  tensors: ReadonlyMap<string, Tensor>;
}

const METADATA_KEY = "lichen";

export function makeAdapter(description: AdapterDescription, tensors: ReadonlyMap<string, Tensor>): Adapter {
  const bytes = encodeSafetensors(tensors, { [METADATA_KEY]: JSON.stringify(description) });
  return { sha256: sha256(bytes), bytes, description, tensors };
}

/** @throws ADAPTER_CORRUPT for anything but a whole adapter with finite parameters. */
export function decodeAdapter(bytes: Uint8Array, at: string): Adapter {
  const { tensors, metadata } = decodeSafetensors(bytes, at);
  const description = descriptionSchema.safeParse(parseJson(metadata[METADATA_KEY]));
  if (!description.success) {
    const issue = description.error.issues[0]!;
    throw new LichenError("ADAPTER_CORRUPT", {
      at: `${at}: ${issue.path.join(".") || "description"}`,
      wanted: issue.message,
    });
  }
  for (const [name, { type, data }] of tensors) {
    if (type !== "float32" || !(data as Float32Array).every(Number.isFinite)) {
      throw new LichenError("ADAPTER_CORRUPT", {
        at: `${at}: ${name}`,
        found: `${type} with other than finite numbers`,
        wanted: "finite float32",
      });
    }
  }
  return { sha256: sha256(bytes), bytes, description: description.data, tensors };
}

/** @throws ADAPTER_WRONG_BASE unless it was trained on this very model. */
export function assertAdapterFits(adapter: Adapter, model: Pick<ModelPackage, "card" | "sha256">): void {
  const { base } = adapter.description;
  if (base.sha256 !== model.sha256) {
    throw new LichenError("ADAPTER_WRONG_BASE", {
      at: `adapter ${adapter.sha256.slice(0, 12)}`,
      found: `base ${base.id} ${base.version} (${base.sha256.slice(0, 12)})`,
      wanted: `${model.card.id} ${model.card.version} (${model.sha256.slice(0, 12)})`,
    });
  }
}

/** undefined for what is no JSON. */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
