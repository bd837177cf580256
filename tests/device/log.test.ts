import { expect, test } from "vitest";
import { createLog } from "../../device/log.ts";
import { logSchema } from "../../device/operation/config.ts";
import { testClock } from "./clock.ts";

function logOf(settings: object = {}, isJournal = false) {
  const lines: string[] = [];
  const clock = testClock();
  const write = (line: string) => void lines.push(line);
  return { ...createLog(logSchema.parse(settings), { device: "a", clock, write, isJournal }), lines, clock };
}

test("a line for people has the time, the level, the message and its facts", () => {
  const { logger, lines } = logOf();
  logger.warn({ code: "X", list: [1] }, "it happened");
  expect(lines).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d warn {2}it happened code=X list=\[1\]\n$/)]);
});

test("an error's own words are in the line", () => {
  const { logger, lines } = logOf();
  logger.error({ err: new Error("ENOSPC") }, "not stored");
  expect(lines[0]).toContain("not stored ENOSPC");
});

test("the journal gets a priority and no time, one line a record", () => {
  const { logger, lines } = logOf({ level: "debug" }, true);
  logger.error({ err: new Error("two\n  lines") }, "not stored");
  logger.debug("small");
  expect(lines).toEqual(["<3>not stored two ⏎ lines\n", "<7>small\n"]);
});

test("a collector gets JSON that names the board, in a journal behind the priority", () => {
  const { logger, lines } = logOf({ format: "json" }, true);
  logger.info({ code: "X" }, "it happened");
  expect(lines[0]?.slice(0, 3)).toBe("<6>");
  expect(JSON.parse(lines[0]!.slice(3))).toMatchObject({ level: 30, device: "a", code: "X", msg: "it happened" });
});

test("a flood is held back from the log and not from the ring; its rest is told at the stop", () => {
  const { logger, ring, lines, stop } = logOf({ burst: 2 });
  for (let at = 0; at < 5; at++) logger.info(`inferred ${at}`);
  expect(lines).toHaveLength(2);
  expect(ring.records({ level: 30, last: 10 }).map(({ msg }) => msg)).toEqual(
    [0, 1, 2, 3, 4].map((n) => `inferred ${n}`),
  );
  stop();
  expect(lines[2]).toContain("3 more like this were held back");
});

test("what a quiet minute later was held back is told by itself", () => {
  const { logger, lines, clock } = logOf({ burst: 1, perMinute: 60 });
  logger.info("a");
  logger.info("a");
  clock.pass(60_000);
  expect(lines[1]).toContain("1 more like this were held back: a");
});

test("the ring keeps the newest, of a level and above, and no more than asked", () => {
  const { logger, ring } = logOf({ keep: 3 });
  logger.error("first");
  for (let at = 0; at < 3; at++) logger.warn(`late ${at}`);
  logger.info("x".repeat(10_000));
  expect(ring.records({ level: 40, last: 10 }).map(({ msg }) => msg)).toEqual(["late 1", "late 2"]);
  expect(ring.records({ level: 10, last: 1 })[0]!.msg).toHaveLength(500);
});

test("a level that is set later holds for the loggers of models too", () => {
  const { logger, lines, setLevel } = logOf();
  const child = logger.child({ of: "belt" });
  child.debug("before");
  setLevel("debug");
  child.debug("after");
  expect(lines).toEqual([expect.stringContaining("after of=belt")]);
});
