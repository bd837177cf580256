/** A window of local time on some days of the week; `from` after `to` spans midnight and belongs to the day on which it opens. */
export interface Window {
  /** As it was written, to be shown. */
  readonly text: string;
  /** Minutes since midnight; `from` is in the window, `to` is not. Equal: the whole day. */
  readonly from: number;
  readonly to: number;
  /** 0 is Sunday. */
  readonly days: readonly number[];
}

export interface LocalTime {
  readonly day: number;
  readonly minute: number;
}

/** `22:00-06:00`, `mon-fri 22:00-06:00` or `sat,sun 00:00-24:00`; null for anything else. */
export function parseWindow(text: string): Window | null {
  const found = /^(?:([a-z,-]+)\s+)?(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})$/i.exec(text.trim());
  if (found === null) return null;
  const days = found[1] === undefined ? EVERY_DAY : parseDays(found[1].toLowerCase());
  const from = parseMinute(found[2]!);
  const to = parseMinute(found[3]!);
  if (days === null || from === null || to === null) return null;
  return { text: text.trim(), from: from % DAY, to: to % DAY, days };
}

export function isWithin({ from, to, days }: Window, { day, minute }: LocalTime): boolean {
  const today = days.includes(day);
  const yesterday = days.includes((day + 6) % 7);
  if (from < to) return today && minute >= from && minute < to;
  return (today && minute >= from) || (yesterday && minute < to);
}

/** Minutes until `wanted` becomes true, by a clock that is not put forward or back meanwhile; null: never. */
export function minutesUntil(wanted: (time: LocalTime) => boolean, { day, minute }: LocalTime): number | null {
  for (let ahead = 0; ahead <= 7 * DAY; ahead++) {
    const then = day * DAY + minute + ahead;
    if (wanted({ day: Math.floor(then / DAY) % 7, minute: then % DAY })) return ahead;
  }
  return null;
}

/** `22:00` within a day, `mon 03:00` later than that. */
export function openingTime({ day, minute }: LocalTime, aheadMinutes: number): string {
  const then = day * DAY + minute + aheadMinutes;
  const face = clockFace(then % DAY);
  return aheadMinutes < DAY ? face : `${DAYS[Math.floor(then / DAY) % 7]} ${face}`;
}

export const clockFace = (minute: number): string =>
  [Math.floor(minute / 60), minute % 60].map((part) => `${part}`.padStart(2, "0")).join(":");

/** @throws RangeError of Intl, when there is no such zone */
export function localTime(wallMs: number, timeZone: string): LocalTime {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(wallMs);
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? "";
  return {
    day: DAYS.indexOf(part("weekday").toLowerCase()),
    minute: Number(part("hour")) * 60 + Number(part("minute")),
  };
}

const DAY = 24 * 60;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const EVERY_DAY = DAYS.map((_, day) => day);

/** `mon`, `mon,wed` or `fri-mon`. */
function parseDays(text: string): readonly number[] | null {
  const days = text.split(",").map((range) => {
    const [first, last, ...rest] = range.split("-").map((name) => DAYS.indexOf(name));
    if (first === undefined || rest.length > 0 || first < 0 || (last ?? 0) < 0) return null;
    return EVERY_DAY.slice(0, (((last ?? first) - first + 7) % 7) + 1).map((ahead) => (first + ahead) % 7);
  });
  return days.every((range) => range !== null) ? [...new Set(days.flat())].sort() : null;
}

/** `24:00` ends a day. */
function parseMinute(text: string): number | null {
  const [hour, minute] = text.split(":").map(Number);
  if (hour === undefined || minute === undefined || minute > 59) return null;
  return hour < 24 || (hour === 24 && minute === 0) ? hour * 60 + minute : null;
}
