import * as z from "zod";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Why an adapter is not to come back. */
const refusal = z.strictObject({ sha256, reason: z.string().min(1) });

export const shelfSchema = z.strictObject({
  format: z.literal(1),
  /** Grows by one with every change of what serves. */
  version: z.int().nonnegative(),
  /** null: the bare base. */
  current: sha256.nullable(),
  /** What a rollback returns to; null: the bare base. */
  previous: sha256.nullable(),
  refused: z.array(refusal),
});

/** Which adapter serves, which served before, and which must not come back. */
export type ShelfState = z.infer<typeof shelfSchema>;

export const FRESH: ShelfState = { format: 1, version: 0, current: null, previous: null, refused: [] };

/** So many refusals are remembered; a fleet offers only its newest, so older ones do not return. */
const REFUSALS = 256;

export const isRefused = (state: ShelfState, adapter: string): boolean =>
  state.refused.some((refusal) => refusal.sha256 === adapter);

export const taken = (state: ShelfState, adapter: string): ShelfState =>
  state.current === adapter
    ? state
    : { ...state, version: state.version + 1, current: adapter, previous: state.current };

export const refused = (state: ShelfState, adapter: string, reason: string): ShelfState => ({
  ...state,
  refused: [...state.refused.filter((refusal) => refusal.sha256 !== adapter), { sha256: adapter, reason }].slice(
    -REFUSALS,
  ),
});

/** To the one before, or to the bare base; what is left must not come back by itself. */
export function rolledBack(state: ShelfState, reason: string): ShelfState {
  if (state.current === null) return state;
  const back = { ...state, version: state.version + 1, current: state.previous, previous: null };
  return refused(back, state.current, reason);
}

/** Out of service for its own faults, for another that is known to be good; what it left is refused. */
export function reverted(state: ShelfState, to: string | null, reason: string): ShelfState {
  if (state.current === null) return state;
  const previous = state.previous === to ? null : state.previous;
  return refused({ ...state, version: state.version + 1, current: to, previous }, state.current, reason);
}

/** A person's choice: it serves, whatever was said against it before. */
export const chosen = (state: ShelfState, adapter: string | null): ShelfState => ({
  ...state,
  ...(state.current !== adapter && { version: state.version + 1, current: adapter, previous: state.current }),
  refused: state.refused.filter(({ sha256 }) => sha256 !== adapter),
});

/** What cannot be loaded leaves, without being refused: a good copy of it may come back. */
export const dropped = (state: ShelfState, to: string | null = state.previous): ShelfState => ({
  ...state,
  version: state.version + 1,
  current: to,
  previous: null,
});
