import { expect, test } from "vitest";
import { disinterest } from "../../../fleet/protocol/interest.ts";
import type { Manifest } from "../../../fleet/protocol/messages.ts";

const manifest: Manifest = {
  v: 1,
  publisher: "a",
  version: 5,
  sha256: "ab".repeat(32),
  bytes: 100,
  blockBytes: 64,
  base: { id: "digits", version: "1", sha256: "cd".repeat(32) },
  method: "head",
  accuracy: null,
  samples: 10,
  parents: [],
};

test.each([
  ["an offer of somebody else, for this base, may be wanted", { device: "b" }, null],
  ["an own offer is not", { device: "a" }, "OWN_OFFER"],
  ["an offer for another base is not", { device: "b", baseSha256: "ef".repeat(32) }, "OTHER_BASE"],
  ["a version below the newest is stale", { device: "b", newestVersion: 6 }, "STALE_VERSION"],
  ["the newest version said again is not stale", { device: "b", newestVersion: 5 }, null],
])("%s", (_name, change, reason) => {
  expect(disinterest(manifest, { baseSha256: manifest.base.sha256, newestVersion: 0, ...change })).toBe(reason);
});
