import fc from "fast-check";
import { expect, test } from "vitest";
import { createQueue, QUEUE_POLICIES, type QueuePolicy } from "../../../device/inference/queue.ts";

const filled = (policy: QueuePolicy, bound: number, items: readonly [source: string, item: string][]) => {
  const queue = createQueue<string>({ bound, policy });
  const offered = items.map(([source, item], at) => queue.offer(source, item, at));
  return { queue, offered };
};
const drained = (queue: ReturnType<typeof filled>["queue"]) => {
  const items: string[] = [];
  for (let next = queue.take(); next; next = queue.take()) items.push(next.item);
  return items;
};

test("sources take turns, and each is served in the order it came", () => {
  const { queue } = filled("reject", 9, [
    ["a", "a1"],
    ["a", "a2"],
    ["a", "a3"],
    ["b", "b1"],
    ["c", "c1"],
    ["c", "c2"],
  ]);
  expect(drained(queue)).toEqual(["a1", "b1", "c1", "a2", "c2", "a3"]);
});

test.each([
  ["reject", ["a1", "a2"], "turned away"],
  ["drop-oldest", ["a2", "a3"], "exchanged"],
  ["drop-newest", ["a1", "a3"], "exchanged"],
] as const)("one source alone on a full queue, policy %s", (policy, left, tag) => {
  const { queue, offered } = filled(policy, 2, [
    ["a", "a1"],
    ["a", "a2"],
    ["a", "a3"],
  ]);
  expect(offered.at(-1)).toMatchObject({ tag });
  expect(queue.counts()).toEqual({ waiting: 2, dropped: 1, perSource: { a: { waiting: 2, dropped: 1 } } });
  expect(drained(queue)).toEqual(left);
});

test.each(["reject", "drop-oldest", "drop-newest"] as const)(
  "a flood leaves a place to others, policy %s",
  (policy) => {
    const { queue } = filled(policy, 3, [
      ...Array.from({ length: 50 }, (_, n) => ["flood", `f${n}`] as [string, string]),
      ["calm", "c1"],
      ...Array.from({ length: 50 }, (_, n) => ["flood", `g${n}`] as [string, string]),
    ]);
    expect(queue.counts().perSource).toMatchObject({
      calm: { waiting: 1, dropped: 0 },
      flood: { waiting: 2, dropped: 98 },
    });
    expect(drained(queue).slice(0, 2)).toContain("c1");
  },
);

test("whatever happens, nothing is lost uncounted, and no more than the bound waits", () => {
  const policies = Object.keys(QUEUE_POLICIES) as QueuePolicy[];
  const steps = fc.array(fc.oneof(fc.constantFrom("a", "b", "c"), fc.constant("take")), { maxLength: 60 });
  fc.assert(
    fc.property(fc.constantFrom(...policies), fc.integer({ min: 1, max: 5 }), steps, (policy, bound, all) => {
      const queue = createQueue<number>({ bound, policy });
      const seen: number[] = [];
      all.forEach((step, at) => {
        if (step === "take") {
          const taken = queue.take();
          if (taken) seen.push(taken.item);
          return;
        }
        const offered = queue.offer(step, at, at);
        if (offered.tag === "turned away") seen.push(at);
        if (offered.tag === "exchanged") seen.push(offered.dropped.item);
        expect(queue.counts().waiting).toBeLessThanOrEqual(bound);
      });
      seen.push(...queue.drain().map(({ item }) => item));
      const asked = all.flatMap((step, at) => (step === "take" ? [] : [at]));
      expect(seen.sort((a, b) => a - b)).toEqual(asked);
    }),
  );
});

test("a source that holds less than its share always finds room", () => {
  const sources = ["a", "b", "c"];
  fc.assert(
    fc.property(
      fc.constantFrom(...(Object.keys(QUEUE_POLICIES) as QueuePolicy[])),
      fc.array(fc.constantFrom(...sources), { maxLength: 40 }),
      (policy, before) => {
        const queue = createQueue<number>({ bound: 6, policy });
        before.forEach((source, at) => void queue.offer(source, at, at));
        for (const source of sources) {
          const held = queue.counts().perSource[source]?.waiting ?? 0;
          if (held < 2) expect(queue.offer(source, -1, 99).tag).not.toBe("turned away");
        }
      },
    ),
  );
});
