import { expect, test } from "vitest";
import { requestOf } from "../../../device/cli/commands/label.ts";

test.each([
  [["last", "cat"], {}, { label: "cat", samples: { last: true } }],
  [["3F9A12", "two words"], {}, { label: "two words", samples: { sha256: "3f9a12" } }],
  [["cat"], { since: 10 }, { label: "cat", samples: { sinceSeconds: 10 } }],
  [["3f9a12"], { retract: true }, { label: null, samples: { sha256: "3f9a12" } }],
  [[], { since: 10, retract: true }, { label: null, samples: { sinceSeconds: 10 } }],
] as const)("lichen label %j with %j", (words, options, request) => {
  expect(requestOf(words, options)).toEqual(request);
});

test.each([
  [[], {}, "a sample and a class"],
  [["last"], {}, "a sample and a class"],
  [["last", "cat", "dog"], {}, "a sample and a class"],
  [[], { since: 10 }, "a class"],
  [["last", "cat"], { since: 10 }, "a class"],
  [["last", "cat"], { retract: true }, "a sample"],
  [["last"], { since: 10, retract: true }, "no more words"],
] as const)("lichen label %j with %j is not understood", (words, options, wanted) => {
  expect(() => requestOf(words, options)).toThrow(`wanted ${wanted}`);
});
