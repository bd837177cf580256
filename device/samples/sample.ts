import * as z from "zod";

/**
 * Who says what a sample is, and how much that counts: what somebody says outright stands against what a rule concludes, and that
 * against what the model itself believes.
 */
export const LABEL_ORIGINS = {
  /** `lichen label`. */
  person: 3,
  /** The class folder that the file lay in. */
  folder: 3,
  http: 3,
  /** Whoever may publish on the topic, which may be many. */
  mqtt: 2,
  /** A rule that heard a second sensor. */
  sensor: 1,
  /** The model, sure of itself. */
  confidence: 0,
} as const;

export type LabelOrigin = keyof typeof LABEL_ORIGINS;

const origin = z.enum(Object.keys(LABEL_ORIGINS) as [LabelOrigin, ...LabelOrigin[]]);

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

/** Enough of a hash for a person to name a sample by. */
export const hashBeginningSchema = z.string().regex(/^[0-9a-f]{4,64}$/, "four to 64 hexadecimal digits");

/** Part of a file name, and nothing that could be more than that. */
export const extensionSchema = z.string().regex(/^\.[a-z0-9]{1,15}$/);

/** What the model said when the sample came. */
export const predictionSchema = z.strictObject({
  label: z.string(),
  confidence: z.number(),
  /** sha256 of the adapter that served; null is the bare base. */
  adapter: z.string().nullable(),
});

export type Prediction = z.infer<typeof predictionSchema>;

/** @see ECMA-262, 21.4.1.1, "Time Values and Time Range" */
const LATEST_MS = 8.64e15;

/** All that is known of a sample beside its bytes: a row of the index, a line of the journal. */
export const entrySchema = z.strictObject({
  /** Of the bytes that came in. */
  sha256: sha256Schema,
  /** The label in force; null: nobody has said, or it was taken back. */
  label: z.string().nullable(),
  /** Who said so. With a label of null: who took it back, or null where nobody has said anything. */
  origin: origin.nullable(),
  /** Place in the order in which samples and labels came, over all starts of the board: no clock is needed for it. */
  sequence: z.int().nonnegative(),
  /** Likewise, of the label's last change. */
  labelSequence: z.int().nonnegative(),
  /** By the board's clock, which may be wrong; a time that a date can tell. */
  arrivedAtMs: z.number().min(-LATEST_MS).max(LATEST_MS),
  /** The source that brought it. */
  source: z.string().nullable(),
  prediction: predictionSchema.nullable(),
  extension: extensionSchema,
  /** Of the file as it is kept. */
  bytes: z.int().nonnegative(),
});

export type Entry = z.infer<typeof entrySchema>;

/** A labelled sample as rounds use it. Its file is named by the hash of what came in, its folder by its label. */
export interface Sample {
  readonly sha256: string;
  readonly label: string;
  readonly path: string;
  readonly bytes: number;
  readonly origin?: LabelOrigin | null;
  readonly labelSequence?: number;
}

/** A sample as it is kept, labelled or not. */
export interface StoredSample extends Readonly<Entry> {
  readonly path: string;
  /** By the clock that never runs backwards; null where the sample came before the daemon's last start. */
  readonly arrivedMs: number | null;
}

/** What is written down of it. */
export const entryOf = ({ path: _, arrivedMs: __, ...entry }: StoredSample): Entry => entry;

/** Those that came in so many seconds before a moment; of before the daemon's start nobody can say. */
export const arrivedWithin = <S extends Pick<StoredSample, "arrivedMs">>(
  samples: readonly S[],
  seconds: number,
  nowMs: number,
): readonly S[] =>
  samples.filter(({ arrivedMs }) => arrivedMs !== null && arrivedMs >= nowMs - seconds * 1000 && arrivedMs <= nowMs);

export type LabelledSample = StoredSample & Sample;

export const isLabelled = (sample: StoredSample): sample is LabelledSample => sample.label !== null;

/** Whether what `next` says may replace what has been said. */
export const outranks = (next: LabelOrigin, current: LabelOrigin | null): boolean =>
  current === null || LABEL_ORIGINS[next] >= LABEL_ORIGINS[current];
