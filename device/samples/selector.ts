import * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { hashBeginningSchema, type StoredSample } from "./sample.ts";

/** Which samples to export or to erase: those that meet all that is said; all of them only where that is said. */
export const selectorSchema = z
  .strictObject({
    all: z.literal(true).optional(),
    /** Of these classes; null: without a label. */
    labels: z.array(z.string().nullable()).min(1).optional(),
    /** By hash or the beginning of it. */
    sha256s: z.array(hashBeginningSchema).min(1).optional(),
    /** Of before so many seconds. */
    olderThanSeconds: z.number().nonnegative().optional(),
  })
  .refine(
    ({ all, ...conditions }) => (all === true) !== Object.values(conditions).some((value) => value !== undefined),
    "either all, or what the samples have in common",
  );

export type Selector = z.infer<typeof selectorSchema>;

export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** @throws NO_SUCH_SAMPLE for a hash that no sample has */
export function selected<S extends StoredSample>(samples: readonly S[], selector: Selector, now: Now): readonly S[] {
  const { labels, sha256s, olderThanSeconds } = selector;
  const unknown = sha256s?.find((beginning) => !samples.some(({ sha256 }) => sha256.startsWith(beginning)));
  if (unknown !== undefined) throw new LichenError("NO_SUCH_SAMPLE", { found: unknown });
  return samples.filter(
    (sample) =>
      (labels === undefined || labels.includes(sample.label)) &&
      (sha256s === undefined || sha256s.some((beginning) => sample.sha256.startsWith(beginning))) &&
      (olderThanSeconds === undefined || ageSeconds(sample, now) >= olderThanSeconds),
  );
}

/**
 * Exact for samples that came since the start. Of earlier ones the board's clock says when they came, which may have been wrong: one
 * from the future is of unknown age, and old enough for whatever is asked, since what is asked to go should go.
 */
function ageSeconds({ arrivedMs, arrivedAtMs }: StoredSample, now: Now): number {
  if (arrivedMs !== null) return (now.monotonicMs - arrivedMs) / 1000;
  const age = (now.wallMs - arrivedAtMs) / 1000;
  return age < 0 ? Number.POSITIVE_INFINITY : age;
}
