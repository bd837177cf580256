import { expect, test } from "vitest";
import { cacheName, rowKey, rowLayout, type StoreIdentity, viewRandom } from "../../../runtime/cache/index.ts";
import { AUGMENT_POLICY } from "../../../runtime/signal/index.ts";
import { LOG_MEL } from "../signal/sound.ts";

const STORE: StoreIdentity = {
  base: "ab".repeat(32),
  preprocessing: LOG_MEL,
  frontier: [{ name: "x", type: "int8", shape: [8, 4] }],
};
const SAMPLE = "cd".repeat(32);
const VIEW = { number: 0, seed: 1, policy: AUGMENT_POLICY };

const reversed = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).reverse()) as T;

test("names and keys are 64 hexadecimal digits, the same for the same thing in any order of its fields", () => {
  expect(cacheName(STORE)).toMatch(/^[0-9a-f]{64}$/);
  expect(cacheName(reversed({ ...STORE, preprocessing: reversed(LOG_MEL) }))).toBe(cacheName(STORE));
  expect(rowKey({ sample: SAMPLE, view: VIEW })).toMatch(/^[0-9a-f]{64}$/);
  expect(rowKey(reversed({ sample: SAMPLE, view: { ...VIEW, policy: reversed(AUGMENT_POLICY) } }))).toBe(
    rowKey({ sample: SAMPLE, view: VIEW }),
  );
});

test("the frontier may come from a layout", () => {
  expect(cacheName({ ...STORE, frontier: rowLayout(STORE.frontier).fields })).toBe(cacheName(STORE));
});

test("whatever changes the rows changes the store's name", () => {
  const [field] = STORE.frontier as [StoreIdentity["frontier"][number]];
  const others: StoreIdentity[] = [
    { ...STORE, base: "ac".repeat(32) },
    { ...STORE, preprocessing: null },
    { ...STORE, preprocessing: { ...LOG_MEL, mean: 0.1 } },
    { ...STORE, frontier: [{ ...field, name: "y" }] },
    { ...STORE, frontier: [{ ...field, type: "uint8" }] },
    { ...STORE, frontier: [{ ...field, shape: [4, 8] }] },
    { ...STORE, frontier: [field, { ...field, name: "y" }] },
    { ...STORE, frontier: [{ ...field, name: "y" }, field] },
  ];
  expect(new Set([STORE, ...others].map(cacheName)).size).toBe(others.length + 1);
});

test("whatever changes a row changes its key", () => {
  const identities = [
    { sample: SAMPLE },
    { sample: "ce".repeat(32) },
    { sample: SAMPLE, view: VIEW },
    { sample: SAMPLE, view: { ...VIEW, number: 1 } },
    { sample: SAMPLE, view: { ...VIEW, seed: 2 } },
    { sample: SAMPLE, view: { ...VIEW, policy: { ...AUGMENT_POLICY, flip: null } } },
    { sample: SAMPLE, view: { ...VIEW, policy: { ...AUGMENT_POLICY, gain: { decibels: 5 } } } },
  ];
  expect(new Set(identities.map(rowKey)).size).toBe(identities.length);
});

test("a view's randomness is that of its key", () => {
  const numbers = (key: string) => Array.from({ length: 3 }, viewRandom(key));
  const key = rowKey({ sample: SAMPLE, view: VIEW });
  expect(numbers(key)).toEqual(numbers(key));
  expect(numbers(key)).not.toEqual(numbers(rowKey({ sample: SAMPLE, view: { ...VIEW, number: 1 } })));
});
