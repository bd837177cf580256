import { expect, test } from "vitest";
import { readable } from "../../device/log.ts";

test("a line for people has the time, the level, the message and its facts", () => {
  const line = JSON.stringify({ level: 40, time: 0, device: "a", code: "X", list: [1], msg: "it happened" });
  expect(readable(line)).toBe("00:00:00 warn  it happened code=X list=[1]\n");
});

test("an error's own words are in the line", () => {
  expect(readable(JSON.stringify({ level: 50, time: 0, err: { message: "ENOSPC" }, msg: "not stored" }))).toContain(
    "not stored ENOSPC",
  );
});
