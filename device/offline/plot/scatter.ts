import { format } from "d3-format";
import { scaleLinear, scaleLog } from "d3-scale";
import { type Box, nearestOn, type Placed, placeLabels } from "./labels.ts";
import { STYLE } from "./style.ts";

export interface ScatterPoint {
  label: string;
  /** What it costs; zero and below count as the smallest cost there is. */
  cost: number;
  /** 0 to 1 */
  accuracy: number;
  /** Half the length of the error bar, in accuracy. */
  spread?: number;
}

export interface Scatter {
  title: string;
  /** With the unit. */
  costLabel: string;
  points: readonly ScatterPoint[];
  /** A line to compare with. */
  reference?: { label: string; accuracy: number };
}

const WIDTH = 760;
const HEIGHT = 470;
/** The plotted area. */
const AREA: Box = { left: 64, right: WIDTH - 24, top: 56, bottom: HEIGHT - 78 };
const FONT_SIZE = 13;

/**
 * Accuracy against cost as a picture in SVG: cost on a logarithmic axis, one point a method with its name beside it. Text stays text,
 * nothing moves, and the colours follow the reader's light or dark. What is on the front (nothing is both cheaper and better) is
 * filled, the rest is hollow.
 */
export function scatterSvg({ title, costLabel, points, reference }: Scatter): string {
  const costs = positiveCosts(points);
  const x = scaleLog(padded(costs), [AREA.left, AREA.right]);
  const y = scaleLinear(accuracyDomain(points, reference), [AREA.bottom, AREA.top + 14]).nice(6);
  const front = frontOf(points, costs);
  const dots = points.map((point, at) => ({
    ...point,
    x: x(costs[at]!),
    y: y(point.accuracy),
    isFront: front.includes(at),
    bar: [point.accuracy + (point.spread ?? 0), point.accuracy - (point.spread ?? 0)].map((value) =>
      y(Math.min(Math.max(value, y.domain()[0]!), y.domain()[1]!)),
    ) as [number, number],
  }));
  const referenceY = reference && y(reference.accuracy);
  const obstacles = [
    ...dots.filter(({ spread }) => spread).map(({ x, bar: [top, bottom] }) => box(x - 4, top, x + 4, bottom)),
    ...(reference
      ? [box(AREA.left, referenceY! - 18, AREA.left + textWidth(reference.label) + 12, referenceY! + 2)]
      : []),
    ...(reference ? [box(AREA.left, referenceY! - 1, AREA.right, referenceY! + 1)] : []),
  ];
  const labels = placeLabels(
    dots.map(({ x, y, label }) => ({ x, y, width: textWidth(label), height: FONT_SIZE + 3 })),
    box(AREA.left + 2, AREA.top + 2, AREA.right - 2, AREA.bottom - 2),
    obstacles,
  );

  return lines([
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="description">${escaped(described(points, costLabel))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${AREA.left}" y="30">${escaped(title)}</text>`,
    ...costAxis(x, costLabel),
    ...accuracyAxis(y),
    ...(reference ? referenceLine(reference.label, referenceY!) : []),
    frontLine(front.map((at) => dots[at]!)),
    ...dots.map((dot, at) => leaderMark(dot, labels[at]!)),
    ...dots.map(pointMark),
    ...dots.map((dot, at) => labelMark(dot, labels[at]!)),
    legend(),
    "</svg>",
  ]);
}

/** Cheapest first: each is better than everything cheaper. */
function frontOf(points: readonly ScatterPoint[], costs: readonly number[]): number[] {
  const order = [...points.keys()].sort((a, b) => costs[a]! - costs[b]! || points[b]!.accuracy - points[a]!.accuracy);
  let best = Number.NEGATIVE_INFINITY;
  return order.filter((at) => {
    if (points[at]!.accuracy <= best) return false;
    best = points[at]!.accuracy;
    return true;
  });
}

/** A logarithm has no zero: what costs nothing stands at half of the cheapest that costs something. */
function positiveCosts(points: readonly ScatterPoint[]): number[] {
  const positive = points.map(({ cost }) => cost).filter((cost) => cost > 0);
  const least = positive.length > 0 ? Math.min(...positive) / 2 : 1;
  return points.map(({ cost }) => (cost > 0 ? cost : least));
}

/** With room at both ends for labels, and never less than a decade or so, where an axis would have no ticks. */
function padded(costs: readonly number[]): [number, number] {
  const [low, high] = costs.length > 0 ? [Math.min(...costs), Math.max(...costs)] : [1, 10];
  const room = Math.max((high / low) ** 0.12, 10 ** Math.max(0.12, (0.9 - Math.log10(high / low)) / 2));
  return [low / room, high * room];
}

function accuracyDomain(points: readonly ScatterPoint[], reference: Scatter["reference"]): [number, number] {
  const values = [
    ...points.flatMap(({ accuracy, spread = 0 }) => [accuracy - spread, accuracy + spread]),
    ...(reference ? [reference.accuracy] : []),
  ];
  const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const room = Math.max((high - low) * 0.12, 0.01);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

type Scale = ((value: number) => number) & { domain(): number[]; ticks(count?: number): number[] };

/** Whole numbers, both ends included. */
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** A line for each digit of a decade, a name where there is room for one. The scale's own ticks turn linear within a decade. */
function costAxis(x: Scale, label: string): string[] {
  const [low, high] = x.domain() as [number, number];
  const decades = Math.log10(high / low);
  const named = decades > 3.5 ? [1] : decades > 1.8 ? [1, 3] : [1, 2, 3, 5, 7];
  const bottom = AREA.bottom;
  const ticks = range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))).flatMap((decade) =>
    range(1, 9).map((digit) => ({ digit, value: digit * 10 ** decade })),
  );
  return [
    ...ticks.flatMap(({ digit, value }) => {
      if (value < low || value > high) return [];
      const at = px(x(value));
      const isNamed = named.includes(digit);
      const name = `<text class="tick" x="${at}" y="${bottom + 18}" text-anchor="middle">${costTick(value)}</text>`;
      return [
        `<line class="grid${isNamed ? "" : " faint"}" x1="${at}" x2="${at}" y1="${AREA.top}" y2="${bottom}"/>`,
        ...(isNamed ? [name] : []),
      ];
    }),
    `<text class="axis" x="${(AREA.left + AREA.right) / 2}" y="${bottom + 40}" text-anchor="middle">${escaped(label)}</text>`,
  ];
}

/** 0.05, 20, 3k, 5M */
const costTick = (tick: number): string => (tick < 1 ? format("~r") : format("~s"))(Number(tick.toPrecision(3)));

function accuracyAxis(y: Scale): string[] {
  const ticks = y.ticks(6);
  const step = (ticks[1] ?? 1) - (ticks[0] ?? 0);
  const percent = format(step < 0.0099 ? ".1%" : ".0%");
  return [
    ...ticks.flatMap((tick) => {
      const at = px(y(tick));
      return [
        `<line class="grid" x1="${AREA.left}" x2="${AREA.right}" y1="${at}" y2="${at}"/>`,
        `<text class="tick" x="${AREA.left - 8}" y="${at + 4}" text-anchor="end">${percent(tick)}</text>`,
      ];
    }),
    `<text class="axis" x="${AREA.left}" y="${AREA.top - 8}">accuracy on held-out samples</text>`,
  ];
}

const referenceLine = (label: string, y: number): string[] => [
  `<line class="reference" x1="${AREA.left}" x2="${AREA.right}" y1="${px(y)}" y2="${px(y)}"/>`,
  `<text class="tick" x="${AREA.left + 6}" y="${px(y - 6)}">${escaped(label)}</text>`,
];

/** Steps: what can be had for at most so much. */
function frontLine(front: readonly { x: number; y: number }[]): string {
  const steps = front.map(({ x, y }, at) => (at === 0 ? `M${px(x)} ${px(y)}` : `H${px(x)}V${px(y)}`)).join("");
  return front.length === 0 ? "" : `<path class="front" d="${steps}H${AREA.right}"/>`;
}

interface Dot extends ScatterPoint {
  x: number;
  y: number;
  isFront: boolean;
  /** Ends of the error bar, top first. */
  bar: readonly [number, number];
}

function pointMark({ label, cost, accuracy, spread, x, y, isFront, bar: [top, bottom] }: Dot): string {
  const tip = `${label}: ${(accuracy * 100).toFixed(1)} %${spread ? ` ± ${(spread * 100).toFixed(1)}` : ""} at ${costTick(cost)}`;
  const bars = spread
    ? `<path class="bar" d="M${px(x)} ${px(top)}V${px(bottom)}M${px(x - 4)} ${px(top)}h8M${px(x - 4)} ${px(bottom)}h8"/>`
    : "";
  return `<g><title>${escaped(tip)}</title>${bars}<circle class="${isFront ? "on" : "off"}" cx="${px(x)}" cy="${px(y)}" r="5"/></g>`;
}

function leaderMark(dot: Dot, { box, isLed }: Placed): string {
  const end = nearestOn(box, dot);
  return isLed ? `<line class="leader" x1="${px(dot.x)}" y1="${px(dot.y)}" x2="${px(end.x)}" y2="${px(end.y)}"/>` : "";
}

function labelMark({ label, isFront }: Dot, { box: { left, right, bottom } }: Placed): string {
  const middle = px((left + right) / 2);
  return `<text class="label${isFront ? " best" : ""}" x="${middle}" y="${px(bottom - 4)}" text-anchor="middle">${escaped(label)}</text>`;
}

function legend(): string {
  const y = HEIGHT - 16;
  return lines([
    `<circle class="on" cx="${AREA.left + 6}" cy="${y - 4}" r="5"/>`,
    `<text class="tick" x="${AREA.left + 18}" y="${y}">nothing is both cheaper and better</text>`,
    `<circle class="off" cx="${AREA.left + 256}" cy="${y - 4}" r="5"/>`,
    `<text class="tick" x="${AREA.left + 268}" y="${y}">something is</text>`,
  ]);
}

const described = (points: readonly ScatterPoint[], costLabel: string): string =>
  `Accuracy against ${costLabel}. ${points
    .map(({ label, cost, accuracy }) => `${label}: ${(accuracy * 100).toFixed(1)} % at ${costTick(cost)}`)
    .join("; ")}.`;

/** Nobody measures text here: an estimate on the wide side for sans-serif letters. */
const textWidth = (text: string): number => text.length * FONT_SIZE * 0.58 + 4;

const box = (left: number, top: number, right: number, bottom: number): Box => ({ left, top, right, bottom });

const px = (value: number): number => Number(value.toFixed(1));

const lines = (parts: readonly string[]): string => parts.filter(Boolean).join("\n");

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);
