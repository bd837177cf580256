import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backoffMs } from "../../../device/sync/backoff.ts";
import { withoutSecrets } from "../../../device/sync/connection.ts";
import { versionAfter } from "../../../device/sync/link.ts";
import { createOffers } from "../../../device/sync/offers.ts";
import { observed, offered, type Unversioned } from "../../../device/sync/outbox.ts";
import { createResultQueue } from "../../../device/sync/results.ts";
import type { Manifest } from "../../../fleet/protocol/messages.ts";

const base = { id: "digits", version: "1", sha256: "cd".repeat(32) };
const unversioned = (digit: string, publisher = "a"): Unversioned => ({
  v: 1,
  publisher,
  sha256: digit.repeat(64),
  bytes: 100,
  blockBytes: 64,
  base,
  method: "head",
  accuracy: null,
  samples: 10,
  parents: [],
});
const manifest = (digit: string, version: number, publisher = "a"): Manifest => ({
  ...unversioned(digit, publisher),
  version,
});
const EMPTY = { format: 1, version: 0, manifest: null } as const;

test("the wait doubles up to its bound, and is spread over half of itself", () => {
  const bounds = { firstMs: 1000, mostMs: 60_000 };
  expect([1, 2, 3, 7, 10_000].map((failures) => backoffMs(failures, 0, bounds))).toEqual([
    500, 1000, 2000, 30_000, 30_000,
  ]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, random) => {
        const waitMs = backoffMs(failures, random, bounds);
        expect(waitMs).toBeGreaterThanOrEqual(500);
        expect(waitMs).toBeLessThanOrEqual(60_000);
      },
    ),
  );
});

test("only a broker that refuses the version is tried with the other one", () => {
  expect(versionAfter(5, "version")).toBe(4);
  expect(versionAfter(4, "version")).toBe(5);
  for (const kind of ["unreachable", "refused", "lost"] as const) expect(versionAfter(5, kind)).toBe(5);
});

test("a password in the broker's address is not shown", () => {
  expect(withoutSecrets("mqtt://me:secret@host:1883")).toBe("mqtt://host:1883");
});

describe("the outbox", () => {
  test("gives each new adapter the next version, and the same one none", () => {
    const one = offered(EMPTY, unversioned("1"));
    expect(one.manifest).toEqual(manifest("1", 1));
    expect(offered(one, unversioned("1"))).toBe(one);
    expect(offered(one, unversioned("2")).manifest).toEqual(manifest("2", 2));
  });

  test("hearing its own manifest changes nothing", () => {
    const two = offered(offered(EMPTY, unversioned("1")), unversioned("2"));
    expect(observed(two, manifest("2", 2))).toBe(two);
    expect(observed(two, manifest("1", 1))).toBe(two);
  });

  test("that was lost counts on from what the fleet has seen", () => {
    expect(observed(EMPTY, manifest("1", 7))).toEqual({ ...EMPTY, version: 7 });
    const offeredAnew = offered(EMPTY, unversioned("2"));
    expect(observed(offeredAnew, manifest("1", 7)).manifest).toEqual(manifest("2", 8));
    expect(observed(offeredAnew, manifest("1", 1)).manifest).toEqual(manifest("2", 2));
    expect(observed(offeredAnew, manifest("2", 7))).toEqual({ ...EMPTY, version: 7, manifest: manifest("2", 7) });
  });
});

describe("offers", () => {
  const self = { device: "me", baseSha256: base.sha256 };

  test("of one adapter by two devices can be had from both, but not from one that is away", () => {
    const offers = createOffers(self);
    offers.heard(manifest("1", 1, "a"));
    offers.heard(manifest("1", 4, "b"));
    expect(offers.sources("1".repeat(64))).toEqual(["a", "b"]);
    offers.presence("a", "offline");
    expect(offers.sources("1".repeat(64))).toEqual(["b"]);
    offers.presence("a", "online");
    expect(offers.sources("1".repeat(64))).toEqual(["a", "b"]);
  });

  test("are replaced by newer ones and not by older ones", () => {
    const offers = createOffers(self);
    expect(offers.heard(manifest("2", 2))).toBeNull();
    expect(offers.heard(manifest("1", 1))).toBe("STALE_VERSION");
    expect(offers.all()).toEqual([manifest("2", 2)]);
  });

  test("end when their publisher moves to another base", () => {
    const offers = createOffers(self);
    offers.heard(manifest("1", 1));
    expect(offers.heard({ ...manifest("2", 2), base: { ...base, sha256: "ef".repeat(32) } })).toBe("OTHER_BASE");
    expect(offers.all()).toEqual([]);
  });
});

test("a full queue of results drops the oldest, and says how many", () => {
  const queue = createResultQueue(2);
  for (const label of ["one", "two", "three"]) queue.push({ label, confidence: 1, adapter: null });
  expect(queue.status()).toEqual({ queued: 2, dropped: 1 });
  expect(queue.first()).toMatchObject({ label: "two", sequence: 1 });
});
