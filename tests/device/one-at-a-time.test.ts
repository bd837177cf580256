import { expect, test } from "vitest";
import { oneAtATime } from "../../device/one-at-a-time.ts";

test("one begins when the one before has ended, however that went, and each hears of its own end", async () => {
  const turns = oneAtATime();
  const seen: string[] = [];
  const act = (name: string, fails = false) =>
    turns.do(async () => {
      seen.push(`${name} begins`);
      await new Promise(setImmediate);
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const all = [act("a"), act("b", true), act("c")];
  const settled = turns.settled().then(() => seen.push("settled"));
  expect(await Promise.allSettled(all)).toMatchObject([
    { status: "fulfilled", value: "a" },
    { status: "rejected", reason: { message: "b" } },
    { status: "fulfilled", value: "c" },
  ]);
  await settled;
  expect(seen).toEqual(["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]).concat("settled"));
});
