import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { governorSchema } from "../../../device/governor/config.ts";
import { govern } from "../../../device/governor/govern.ts";
import { isWithin, localTime, parseWindow } from "../../../device/governor/hours.ts";
import { factsWith, policyOf } from "./facts.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const at = (iso: string, hours: object, trusted = true) =>
  govern(factsWith({ time: { wallMs: Date.parse(iso), trusted } }), policyOf({ hours }));

describe("windows of local time", () => {
  const berlin = { timeZone: "Europe/Berlin" };

  // Summer time is two hours ahead of UTC, winter time one.
  it.each([
    ["2026-07-01T19:59:00Z", "22:00-06:00", "wait"],
    ["2026-07-01T20:00:00Z", "22:00-06:00", "start"],
    ["2026-07-02T03:59:59Z", "22:00-06:00", "start"],
    ["2026-07-02T04:00:00Z", "22:00-06:00", "wait"],
    ["2026-12-01T20:59:00Z", "22:00-06:00", "wait"],
    ["2026-12-01T21:00:00Z", "22:00-06:00", "start"],
    // 28 March 2027: 01:59 is followed by 03:00.
    ["2027-03-28T00:59:00Z", "02:00-03:00", "wait"],
    ["2027-03-28T01:00:00Z", "02:00-03:00", "wait"],
    ["2027-03-28T01:00:00Z", "03:00-04:00", "start"],
    // 25 October 2026: 02:00 to 02:59 comes twice.
    ["2026-10-25T00:30:00Z", "02:00-03:00", "start"],
    ["2026-10-25T01:30:00Z", "02:00-03:00", "start"],
    ["2026-10-25T02:00:00Z", "02:00-03:00", "wait"],
    // 27 November 2026 is a Friday; a window belongs to the day on which it opens.
    ["2026-11-27T22:00:00Z", "fri 22:00-06:00", "start"],
    ["2026-11-28T04:00:00Z", "fri 22:00-06:00", "start"],
    ["2026-11-28T22:00:00Z", "fri 22:00-06:00", "wait"],
    ["2026-11-27T04:00:00Z", "fri 22:00-06:00", "wait"],
    ["2026-11-28T11:00:00Z", "sat,sun 00:00-24:00", "start"],
    ["2026-11-28T23:30:00Z", "sat 00:00-24:00", "wait"],
  ])("at %s, only %s: %s", (iso, window, tag) => {
    expect(at(iso, { ...berlin, only: [window] }).tag).toBe(tag);
    // Quiet hours are the same windows the other way round.
    expect(at(iso, { ...berlin, quiet: [window] }).tag).toBe(tag === "start" ? "wait" : "start");
  });

  it("are several at will", () => {
    const only = ["01:00-02:00", "12:30-13:30"];
    expect(at("2026-11-24T01:30:00Z", { only }).tag).toBe("start");
    expect(at("2026-11-24T02:30:00Z", { only }).tag).toBe("wait");
    expect(at("2026-11-24T12:30:00Z", { only }).tag).toBe("start");
    expect(at("2026-11-24T12:40:00Z", { only, quiet: ["12:35-12:45"] }).tag).toBe("wait");
  });

  it("say when they open, in local time", () => {
    expect(at("2026-11-24T12:00:00Z", { ...berlin, only: ["22:00-06:00"] })).toMatchObject({
      reasons: [{ code: "OUTSIDE_HOURS", found: "13:00 Europe/Berlin", wanted: "from 22:00" }],
    });
    // A Tuesday.
    expect(at("2026-11-24T12:00:00Z", { only: ["tue 12:00-12:00"], quiet: ["tue 00:00-24:00"] })).toMatchObject({
      reasons: [{ code: "QUIET_HOURS", wanted: "from 00:00" }],
    });
    expect(at("2026-11-24T12:00:00Z", { only: ["mon 03:05-04:00"] })).toMatchObject({
      reasons: [{ code: "OUTSIDE_HOURS", wanted: "from mon 03:05" }],
    });
  });

  it("pause a round that is not done when they close", () => {
    const facts = factsWith({ round: { phase: "training" }, time: { wallMs: Date.parse("2026-11-24T06:00:00Z") } });
    const verdict = govern(facts, policyOf({ hours: { only: ["22:00-06:00"] } }));
    expect(verdict).toMatchObject({ tag: "pause", reasons: [{ code: "OUTSIDE_HOURS" }] });
  });
});

test("a board that does not know the time waits and says so, unless told to train", () => {
  const only = ["22:00-06:00"];
  expect(at("1970-01-01T23:00:00Z", { only }, false)).toMatchObject({
    tag: "wait",
    reasons: [{ code: "CLOCK_UNKNOWN" }],
  });
  expect(at("1970-01-01T12:00:00Z", { only, whenClockUnknown: "train" }, false).tag).toBe("start");
  expect(at("1970-01-01T12:00:00Z", {}, false).tag).toBe("start");
});

const windowText = fc
  .tuple(fc.nat(24 * 60 - 1), fc.nat(24 * 60 - 1), fc.constantFrom("", "mon-fri ", "sat,sun ", "fri-mon ", "wed "))
  .map(([from, to, days]) => `${days}${face(from)}-${face(to)}`);
const face = (minute: number) =>
  `${Math.floor(minute / 60)}`.padStart(2, "0").concat(":", `${minute % 60}`.padStart(2, "0"));

test("asked again when told to, a wait ends at most a quarter of an hour after its window opens, across changes of the clock", () => {
  // Half an hour of change (Lord Howe), a whole one, and none; days around the changes of 2026 and 2027.
  const zone = fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata");
  const start = fc
    .tuple(
      fc.constantFrom("2026-10-25", "2026-11-01", "2026-10-04", "2027-03-28", "2027-03-14"),
      fc.integer({ min: -30 * 60, max: 30 * 60 }),
    )
    .map(([day, minutes]) => Date.parse(day) + minutes * minuteMs);
  fc.assert(
    fc.property(zone, start, windowText, (timeZone, wallMs, window) => {
      const policy = policyOf({ hours: { only: [window], timeZone } });
      const parsed = parseWindow(window)!;
      const first = govern(factsWith({ time: { wallMs } }), policy);
      expect(first.tag === "start").toBe(isWithin(parsed, localTime(wallMs, timeZone)));
      if (first.tag !== "wait") return;
      expect(first.againMs).toBeGreaterThan(0);
      expect(first.againMs).toBeLessThanOrEqual(15 * minuteMs);
      // Before that, minute by minute, the window has not been open.
      const before = Array.from(
        { length: Math.ceil(first.againMs! / minuteMs) },
        (_, minute) => wallMs + minute * minuteMs,
      );
      const opened = before.find((ms) => isWithin(parsed, localTime(ms, timeZone)));
      if (opened === undefined) return;
      // Only a clock put forward can bring it sooner than it seemed.
      expect(offsetMs(opened, timeZone)).toBeGreaterThan(offsetMs(wallMs, timeZone));
    }),
    { numRuns: 300 },
  );
});

/** How far local time is ahead of UTC. */
function offsetMs(wallMs: number, timeZone: string): number {
  const { day, minute } = localTime(wallMs, timeZone);
  const utc = localTime(wallMs, "UTC");
  const days = ((day - utc.day + 10) % 7) - 3;
  return days * 24 * hourMs + (minute - utc.minute) * minuteMs;
}

test("over a week, a window is open for as long as it says", () => {
  const monday = Date.parse("2026-11-23T00:00:00Z");
  fc.assert(
    fc.property(windowText, (text) => {
      const window = parseWindow(text)!;
      let open = 0;
      for (let minute = 0; minute < 7 * 24 * 60; minute += 1) {
        const day = Math.floor(minute / 1440);
        if (isWithin(window, { day: (day + 1) % 7, minute: minute % 1440 })) open++;
      }
      const length = (window.to - window.from + 1440) % 1440 || 1440;
      expect(open).toBe(length * window.days.length);
      expect(localTime(monday, "UTC")).toEqual({ day: 1, minute: 0 });
    }),
    { numRuns: 30 },
  );
});

test.each(["25:00-06:00", "22:00", "22:00-06:60", "24:30-06:00", "noday 22:00-06:00", "mon-tue-wed 1:00-2:00", ""])(
  "'%s' is no window, and the message shows one",
  (text) => {
    const parsed = governorSchema.safeParse({ hours: { only: [text] } });
    expect(parsed.error?.issues[0]?.message).toContain("22:00-06:00");
    expect(parsed.error?.issues[0]?.path).toEqual(["hours", "only", 0]);
  },
);

test("anything else is no window either, and nothing throws", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z,-]{0,9} ?\d{1,3}:\d{1,3}-\d{1,3}:\d{1,3}$/)), (text) => {
      const window = parseWindow(text);
      if (window === null) return;
      expect(window.from).toBeLessThan(1440);
      expect(window.to).toBeLessThan(1440);
      expect(window.days.length).toBeGreaterThan(0);
      expect(window.days.every((day) => day >= 0 && day < 7)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  [{ temperatureCelsius: { startBelow: 80, pauseAbove: 70 } }, "startBelow at most pauseAbove"],
  [{ temperatureCelsius: { startBelow: 79 } }, "startBelow at most pauseAbove"],
  [{ freeMemoryBytes: { startAbove: 1 } }, "startAbove at least pauseBelow"],
  [{ hours: { timeZone: "Mars/Olympus" } }, "a time zone such as Europe/Berlin"],
])("%o is refused: %s", (config, message) => {
  expect(governorSchema.safeParse(config).error?.issues[0]?.message).toBe(message);
});
