import fc from "fast-check";
import { expect, test } from "vitest";
import {
  dropped,
  FRESH,
  isRefused,
  refused,
  rolledBack,
  type ShelfState,
  shelfSchema,
  taken,
} from "../../../device/adapters/state.ts";

const sha = (digit: string) => digit.repeat(64);
const [A, B] = [sha("a"), sha("b")];

test("a rollback returns to the adapter before, then to the base, and each one left is refused", () => {
  const both = taken(taken(FRESH, A), B);
  const once = rolledBack(both, "ROLLED_BACK");
  expect(once).toMatchObject({ current: A, previous: null, version: 3 });
  expect(isRefused(once, B)).toBe(true);
  const twice = rolledBack(once, "ROLLED_BACK");
  expect(twice).toMatchObject({ current: null, version: 4 });
  expect(isRefused(twice, A)).toBe(true);
});

test("an adapter that could not be loaded is not refused: a good copy may come", () => {
  expect(isRefused(dropped(taken(FRESH, A)), A)).toBe(false);
});

const step = fc.oneof(
  fc.constantFrom(..."0123456789").map((digit) => (state: ShelfState) => taken(state, sha(digit))),
  fc.constantFrom(..."0123456789").map((digit) => (state: ShelfState) => refused(state, sha(digit), "NO_GAIN")),
  fc.constant((state: ShelfState) => rolledBack(state, "ROLLED_BACK")),
  fc.constant(dropped),
);

test("in any history the state is valid, the version never falls, and nothing is refused twice", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let state = FRESH;
      for (const next of steps) {
        const before = state;
        state = next(state);
        expect(state.version).toBeGreaterThanOrEqual(before.version);
        expect(state.version > before.version || state.current === before.current).toBe(true);
      }
      expect(() => shelfSchema.parse(state)).not.toThrow();
      expect(new Set(state.refused.map(({ sha256 }) => sha256)).size).toBe(state.refused.length);
    }),
  );
});
