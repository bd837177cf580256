import * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { arrivedWithin, hashBeginningSchema, type StoredSample } from "../samples/sample.ts";

/** What came longer ago is labelled by its hash: one slip, or one stranger, must not relabel all that a board has. */
const MOST_SECONDS = 3600;

/** A label for one sample, or for several: what `POST /v1/labels` and the MQTT topic take. */
export const labelRequestSchema = z.strictObject({
  /** The class; null takes the label back. */
  label: z.string().min(1).nullable(),
  /** Which samples: one by its hash or the beginning of it, the last that came, or all of the last seconds. */
  samples: z.union([
    z.strictObject({ sha256: hashBeginningSchema }),
    z.strictObject({ last: z.literal(true) }),
    z.strictObject({ sinceSeconds: z.number().positive().max(MOST_SECONDS, `at most ${MOST_SECONDS}, an hour`) }),
  ]),
});

export type LabelRequest = z.infer<typeof labelRequestSchema>;

/**
 * The samples that are meant.
 * @param samples oldest first
 * @param nowMs as the samples' arrival
 * @throws NO_SUCH_SAMPLE for none, BAD_ARGUMENT for a beginning that several hashes have
 */
export function samplesMeant(
  which: LabelRequest["samples"],
  samples: readonly StoredSample[],
  nowMs: number,
): readonly StoredSample[] {
  if ("sha256" in which) return [byHash(which.sha256, samples)];
  const meant = "last" in which ? samples.slice(-1) : arrivedWithin(samples, which.sinceSeconds, nowMs);
  if (meant.length > 0) return meant;
  const found = "last" in which ? "none at all" : `none of the last ${which.sinceSeconds} s`;
  throw new LichenError("NO_SUCH_SAMPLE", { found, todo: "set samples.keepUnlabelled, to label what was inferred" });
}

/** @throws NO_SUCH_SAMPLE, BAD_ARGUMENT */
export function byHash<S extends { readonly sha256: string }>(beginning: string, samples: readonly S[]): S {
  const [first, ...others] = samples.filter(({ sha256 }) => sha256.startsWith(beginning));
  if (first === undefined) throw new LichenError("NO_SUCH_SAMPLE", { found: beginning });
  if (others.length === 0) return first;
  throw new LichenError("BAD_ARGUMENT", {
    at: "a sample's hash",
    found: `${beginning}, with which ${others.length + 1} begin`,
    wanted: "more digits",
  });
}

/** A message of the label topic. @throws BAD_MESSAGE */
export function parseLabelMessage(payload: Uint8Array): LabelRequest {
  const text = new TextDecoder().decode(payload).trim();
  if (!text.startsWith("{")) {
    const spoken = labelRequestSchema.safeParse({ label: text, samples: { last: true } });
    if (spoken.success) return spoken.data;
    throw new LichenError("BAD_MESSAGE", { at: "label", found: "nothing", wanted: "a class, or JSON" });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LichenError("BAD_MESSAGE", { at: "label", found: text.slice(0, 80), wanted: "JSON" });
  }
  const request = labelRequestSchema.safeParse(value);
  if (request.success) return request.data;
  const issue = request.error.issues[0]!;
  throw new LichenError("BAD_MESSAGE", { at: `label ${issue.path.join(".")}`, wanted: issue.message });
}
