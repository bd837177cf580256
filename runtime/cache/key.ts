import type { Preprocessing } from "../package/card.ts";
import { sha256 } from "../package/package.ts";
import { seededBy } from "../random/gaussian.ts";
import type { Random } from "../random/random.ts";
import type { AugmentPolicy } from "../signal/augment/index.ts";
import type { Field } from "./layout.ts";

/** To be raised whenever the same sample comes to give other features, views or rows than before. */
const FORMAT = 1;

/** What all rows of one store have in common. */
export interface StoreIdentity {
  /** sha256 of the base model's file. */
  readonly base: string;
  readonly preprocessing: Preprocessing | null;
  readonly frontier: readonly Field[];
}

/** What one row is of. */
export interface RowIdentity {
  /** sha256 of the sample's file, or of its features where there is no file. */
  readonly sample: string;
  /** Undefined for the sample as it was recorded. */
  readonly view?: View | undefined;
}

export interface View {
  readonly number: number;
  /** Of the training. */
  readonly seed: number;
  readonly policy: AugmentPolicy;
}

/** Name of the store whose rows these are: 64 hexadecimal digits. */
export const cacheName = ({ base, preprocessing, frontier }: StoreIdentity): string =>
  digest({
    kind: "store",
    format: FORMAT,
    base,
    preprocessing,
    frontier: frontier.map(({ name, type, shape }) => ({ name, type, shape })),
  });

/** 64 hexadecimal digits. */
export const rowKey = ({ sample, view }: RowIdentity): string =>
  digest({ kind: "row", sample, view: view ? { number: view.number, seed: view.seed, policy: view.policy } : null });

/** The randomness of the view that a key stands for, so that the key says all about its row. */
export const viewRandom = (key: string): Random => seededBy(key);

const digest = (value: unknown): string => sha256(new TextEncoder().encode(canonicalJson(value)));

/** JSON with the fields of every object in one order. */
const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
