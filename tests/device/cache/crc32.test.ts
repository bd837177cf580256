import fc from "fast-check";
import { expect, test } from "vitest";
import { bulkCrc32 } from "../../../device/cache/bulk-crc32.ts";
import { crc32 } from "../../../device/cache/crc32.ts";
import { bytesOf } from "../fixtures.ts";

test("the check value of the standard", () => {
  expect(bulkCrc32(bytesOf("123456789"))).toBe(0xcbf43926);
  expect(crc32(bytesOf("123456789"))).toBe(0xcbf43926);
});

test("a store written under one version of Node is read under another", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => bulkCrc32(bytes) === crc32(bytes)));
});
