import { format } from "d3-format";
import { scaleLinear } from "d3-scale";
import { STYLE } from "../../device/offline/plot/style.ts";
import { SHIFT_CHANGE_HOUR } from "./place.ts";
import type { DriftResult, DriftRound, HalfHour } from "./result.ts";

const WIDTH = 760;
const HEIGHT = 430;
const AREA = { left: 64, right: WIDTH - 24, top: 56, bottom: HEIGHT - 92 };
/** Where rounds are marked, below the hours. */
const ROUNDS_Y = HEIGHT - 52;
const [TICK_HOURS, DAY_HOURS] = [3, 24];
const percent = format(".0%");

/** Accuracy over the day with adapters and without, as a picture in SVG; text stays text, and colours follow the reader's light or dark. */
export function driftSvg({ halfHours, rounds, words, labelledEvery }: DriftResult): string {
  const x = scaleLinear([0, DAY_HOURS], [AREA.left, AREA.right]);
  const y = scaleLinear([lowest(halfHours), 1], [AREA.bottom, AREA.top + 8]).nice(5);
  const line = (of: (at: HalfHour) => number) =>
    halfHours.map((at, n) => `${n === 0 ? "M" : "L"}${px(x(at.hour))} ${px(y(of(at)))}`).join("");
  const title = "24 hours in which a place drifts away from its model";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title description">`,
    `<title id="title">${title}</title>`,
    `<desc id="description">${described(halfHours, rounds)}</desc>`,
    `<style>${STYLE}${OWN_STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${AREA.left}" y="30">${title}</text>`,
    `<text class="axis" x="${AREA.left}" y="${AREA.top - 8}">words understood; ${words} are said in half an hour, one in ${labelledEvery} gets a label</text>`,
    ...y.ticks(6).flatMap((tick) => horizontal(px(y(tick)), percent(tick))),
    ...hours(x),
    `<line class="reference" x1="${px(x(SHIFT_CHANGE_HOUR))}" x2="${px(x(SHIFT_CHANGE_HOUR))}" y1="${AREA.top}" y2="${AREA.bottom}"/>`,
    `<text class="tick" x="${px(x(SHIFT_CHANGE_HOUR)) + 6}" y="${AREA.top + 10}">somebody else speaks</text>`,
    `<path class="without" d="${line((at) => at.without)}"/>`,
    `<path class="with" d="${line((at) => at.withLichen)}"/>`,
    ...names(halfHours.slice(-NAMED_HALF_HOURS), y),
    `<text class="tick" x="${AREA.left - 8}" y="${ROUNDS_Y + 4}" text-anchor="end">rounds</text>`,
    ...rounds.map((round) => mark(round, px(x(round.hour)))),
    ...legend(),
    "</svg>",
  ].join("\n");
}

const OWN_STYLE = `
.with,.without{fill:none;stroke-width:2;stroke-linejoin:round}
.with{stroke:#0b7261}
.without{stroke:#b3541e;stroke-dasharray:6 3}
@media (prefers-color-scheme: dark){.with{stroke:#5fd0b4}.without{stroke:#f0a26b}}
`;

/** With room below, and never so much that a small difference looks like a big one. */
const lowest = (halfHours: readonly HalfHour[]): number =>
  Math.max(0, Math.min(0.5, ...halfHours.flatMap((at) => [at.withLichen, at.without])) - 0.05);

const horizontal = (at: number, text: string): string[] => [
  `<line class="grid" x1="${AREA.left}" x2="${AREA.right}" y1="${at}" y2="${at}"/>`,
  `<text class="tick" x="${AREA.left - 8}" y="${at + 4}" text-anchor="end">${text}</text>`,
];

function hours(x: (hour: number) => number): string[] {
  return Array.from({ length: DAY_HOURS / TICK_HOURS + 1 }, (_, n) => n * TICK_HOURS).flatMap((hour) => {
    const at = px(x(hour));
    const name = `${hour} h`;
    return [
      `<line class="grid faint" x1="${at}" x2="${at}" y1="${AREA.top}" y2="${AREA.bottom}"/>`,
      `<text class="tick" x="${at}" y="${AREA.bottom + 18}" text-anchor="middle">${name}</text>`,
    ];
  });
}

/** The width of a name, in half hours. */
const NAMED_HALF_HOURS = 8;

/** At the end of the lines: the upper one's above it, the lower one's below. */
function names(end: readonly HalfHour[], y: (share: number) => number): string[] {
  if (end.length === 0) return [];
  const top = y(Math.max(...end.map(({ withLichen }) => withLichen))) - 8;
  const bottom = y(Math.min(...end.map(({ without }) => without))) + 18;
  return [name("with Lichen", top), name("without", bottom)];
}

const name = (text: string, y: number): string =>
  `<text class="label best" x="${AREA.right - 4}" y="${px(y)}" text-anchor="end">${text}</text>`;

const mark = ({ accepted, hour, reason, seconds }: DriftRound, x: number): string =>
  `<g><title>${clock(hour)}: ${reason}, ${seconds.toFixed(1)} s</title><circle class="${accepted ? "on" : "off"}" cx="${x}" cy="${ROUNDS_Y}" r="4.5"/></g>`;

const legend = (): string[] => {
  const y = HEIGHT - 18;
  return [
    `<circle class="on" cx="${AREA.left + 6}" cy="${y - 4}" r="4.5"/>`,
    `<text class="tick" x="${AREA.left + 18}" y="${y}">accepted: serves from then on</text>`,
    `<circle class="off" cx="${AREA.left + 246}" cy="${y - 4}" r="4.5"/>`,
    `<text class="tick" x="${AREA.left + 258}" y="${y}">refused by the gate</text>`,
  ];
};

const described = (halfHours: readonly HalfHour[], rounds: readonly DriftRound[]): string => {
  const accepted = rounds.filter((round) => round.accepted).length;
  const told = halfHours
    .filter(({ hour }) => hour % TICK_HOURS === 0)
    .map(
      ({ hour, withLichen, without }) => `${hour} h: ${percent(withLichen)} with Lichen, ${percent(without)} without`,
    );
  return `${told.join("; ")}. ${rounds.length} rounds, ${accepted} accepted.`;
};

/** 13.5 as 13:30 */
const clock = (hour: number): string => `${Math.floor(hour)}:${String(Math.round((hour % 1) * 60)).padStart(2, "0")}`;

const px = (value: number): number => Number(value.toFixed(1));
