import { expect, test } from "vitest";
import { assignRoles, NO_ROLES, rolesOf } from "../../../device/rounds/roles.ts";
import { temporaryFolder } from "../fixtures.ts";
import { hashOf, opened, wav } from "./stores.ts";

test("unlabelled samples are kept apart, and become samples of a class when somebody says so", async () => {
  const store = await opened(await temporaryFolder());
  expect(await store.add(wav("a", null))).toBe("stored");
  expect(await store.add(wav("a", null))).toBe("known");
  expect([store.list().length, store.unlabelled().length]).toEqual([0, 1]);
  expect(await store.label(hashOf("a"), "one", "person")).toBe("relabelled");
  expect([store.list().length, store.unlabelled().length]).toEqual([1, 0]);
  expect(await store.add(wav("a", null))).toBe("known");
  expect(store.list()[0]?.label).toBe("one");
});

test("what is said outright stands against rules, and rules against the model's own belief", async () => {
  const store = await opened(await temporaryFolder());
  await store.add({ ...wav("a", "one"), origin: "confidence" });
  expect(await store.label(hashOf("a"), "inbox", "sensor")).toBe("relabelled");
  expect(await store.label(hashOf("a"), "one", "confidence")).toBe("stands");
  expect(await store.label(hashOf("a"), "one", "http")).toBe("relabelled");
  expect(await store.label(hashOf("a"), "inbox", "sensor")).toBe("stands");
  expect(await store.add({ ...wav("a", "inbox"), origin: "sensor" })).toBe("known");
  expect(store.list()[0]).toMatchObject({ label: "one", origin: "http" });
});

test("a label confirmed by a person is the person's from then on", async () => {
  const store = await opened(await temporaryFolder());
  await store.add({ ...wav("a", "one"), origin: "confidence" });
  expect(await store.label(hashOf("a"), "one", "person")).toBe("known");
  expect(store.list()[0]?.origin).toBe("person");
});

test("a label taken back is nobody's to give again but a person's, and the next round does not have the sample", async () => {
  const directory = await temporaryFolder();
  const store = await opened(directory);
  for (const text of ["a", "b", "c", "d", "e"]) await store.add(wav(text, "one"));
  const first = rolesOf(assignRoles(store.list(), NO_ROLES, 0.2));
  const [trained, judge] = [first.trained[0]!, first.heldOut[0]!];
  for (const sha256 of [trained, judge]) await store.label(sha256, null, "person");
  expect(await store.label(trained, "one", "sensor")).toBe("stands");
  const next = assignRoles((await opened(directory)).list(), first, 0.2);
  const used = [...next.train, ...next.heldOut].map(({ sha256 }) => sha256);
  expect(used).toHaveLength(3);
  expect(used).not.toContain(trained);
  expect(used).not.toContain(judge);
  const after = rolesOf(next);
  expect([...after.trained, ...after.heldOut].sort()).toEqual([...used].sort());
});

test("a sample that is not there cannot be labelled, nor one get a class that the model does not know", async () => {
  const store = await opened(await temporaryFolder());
  await expect(store.label("0".repeat(64), "one", "person")).rejects.toMatchObject({ code: "NO_SUCH_SAMPLE" });
  await store.add(wav("a", null));
  await expect(store.label(hashOf("a"), "three", "person")).rejects.toMatchObject({ code: "UNKNOWN_CLASS" });
});

test("when the store is full unlabelled samples go first", async () => {
  const store = await opened(await temporaryFolder(), { maxBytes: 10 });
  for (const [text, label] of [
    ["aaaa", "one"],
    ["bb", null],
    ["cccc", "inbox"],
    ["dd", "inbox"],
  ] as const) {
    await store.add(wav(text, label));
  }
  expect(store.all().map(({ label, bytes }) => [label, bytes])).toEqual([
    ["one", 4],
    ["inbox", 4],
    ["inbox", 2],
  ]);
});
