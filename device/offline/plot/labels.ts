/** A rectangle; y grows downwards, as on the screen. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A point whose label wants a place. */
export interface Labelled {
  x: number;
  y: number;
  /** Size of the text, px. */
  width: number;
  height: number;
}

/** Where a label went: its box, and whether it stands so far off that a line has to lead to it. */
export interface Placed {
  box: Box;
  isLed: boolean;
}

/**
 * A place near each point that covers neither another label, nor a point, nor an obstacle, as far as there is room; inside `frame`.
 * The most crowded points choose first; then everyone may move again while that helps.
 */
export function placeLabels(points: readonly Labelled[], frame: Box, obstacles: readonly Box[]): Placed[] {
  const dots = points.map(({ x, y }) => around(x, y, DOT));
  const candidates = points.map((point) => {
    const found = candidatesOf(point);
    const inside = found.filter(({ box }) => isInside(box, frame));
    return inside.length > 0 ? inside : found;
  });
  const placed: (Candidate | undefined)[] = points.map(() => undefined);

  const costAt = (at: number) => {
    const isOther = (_: unknown, index: number) => index !== at;
    const others = points.filter(isOther);
    const labels = placed.filter(isOther).flatMap((other) => other ?? []);
    const boxes = labels.map(({ box }) => box);
    const taken = [...dots.filter(isOther), ...obstacles, ...boxes];
    return (candidate: Candidate): number =>
      candidate.effort +
      taken.reduce((sum, each) => sum + overlap(candidate.box, each), 0) +
      COVERING * boxes.filter((each) => covers(candidate.box, each)).length +
      CROSSING * labels.filter((other) => crosses(candidate, other) || crosses(other, candidate)).length +
      (candidate.isLed ? 0 : MISTAKABLE * others.filter((other) => isMistakable(candidate, other)).length);
  };

  const crowd = points.map(({ x, y }) => points.filter((other) => Math.hypot(other.x - x, other.y - y) < CROWD).length);
  const order = [...points.keys()].sort((a, b) => crowd[b]! - crowd[a]!);
  for (let round = 0; round < ROUNDS; round++) {
    for (const at of order) {
      const cost = costAt(at);
      placed[at] = candidates[at]!.map((each) => [each, cost(each)] as const).reduce((best, each) =>
        each[1] < best[1] ? each : best,
      )[0];
    }
  }
  return placed.map((each) => each!);
}

/** Half the size of a point, px. */
const DOT = 6;
/** Points nearer than this get into each other's way, px. */
const CROWD = 80;
const ROUNDS = 5;
/** A label on another is worse than anything else, px² of overlap: whoever moves last finds a place that is free of all. */
const COVERING = 1e6;
/** What a leader through a label, and a label nearer to another point, are worth in px² of overlap. */
const CROSSING = 300;
const MISTAKABLE = 40;

interface Candidate extends Placed {
  point: Labelled;
  /** What the place costs by itself, in px² of overlap that it may save. */
  effort: number;
}

/** In the order one would take them by hand; degrees, clockwise from the right. */
const DIRECTIONS = [0, 180, 270, 90, 315, 45, 225, 135, 337.5, 22.5, 202.5, 157.5, 292.5, 67.5, 247.5, 112.5] as const;

const DISTANCES = [9, 18, 32, 48, 66, 86, 110, 136] as const;

/** From here on a label needs a line to its point. */
const LED_FROM = 18;

function candidatesOf(point: Labelled): Candidate[] {
  const { x, y, width, height } = point;
  return DISTANCES.flatMap((distance, far) =>
    DIRECTIONS.map((degrees, at): Candidate => {
      const [dx, dy] = [Math.cos((degrees / 180) * Math.PI), Math.sin((degrees / 180) * Math.PI)];
      // On a diagonal the label's corner faces the point, straight ahead the middle of a side.
      const centreX = x + dx * distance + clamp(dx * Math.SQRT2, -1, 1) * (width / 2);
      const centreY = y + dy * distance + clamp(dy * Math.SQRT2, -1, 1) * (height / 2);
      const box = {
        left: centreX - width / 2,
        right: centreX + width / 2,
        top: centreY - height / 2,
        bottom: centreY + height / 2,
      };
      return { point, box, isLed: distance >= LED_FROM, effort: far * 12 + at };
    }),
  );
}

/** Where the line to a label ends. */
export const nearestOn = (box: Box, { x, y }: { x: number; y: number }): { x: number; y: number } => ({
  x: clamp(x, box.left, box.right),
  y: clamp(y, box.top, box.bottom),
});

/** Whether the line from a label to its point passes through another label. */
function crosses({ isLed, point, box }: Candidate, other: Candidate): boolean {
  if (!isLed) return false;
  const end = nearestOn(box, point);
  return STEPS.some((step) => {
    const [x, y] = [point.x + (end.x - point.x) * step, point.y + (end.y - point.y) * step];
    const { left, right, top, bottom } = other.box;
    return x > left && x < right && y > top && y < bottom;
  });
}

const STEPS = Array.from({ length: 16 }, (_, at) => (at + 1) / 17);

const isMistakable = ({ box, point }: Candidate, other: Labelled): boolean => gap(box, other) < 1.6 * gap(box, point);

function gap(box: Box, point: { x: number; y: number }): number {
  const nearest = nearestOn(box, point);
  return Math.hypot(nearest.x - point.x, nearest.y - point.y);
}

const around = (x: number, y: number, reach: number): Box => ({
  left: x - reach,
  right: x + reach,
  top: y - reach,
  bottom: y + reach,
});

/** Shared area, with a margin so that labels do not touch, and a floor so that even a corner counts. px² */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left) + MARGIN;
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) + MARGIN;
  return width > 0 && height > 0 ? 150 + width * height : 0;
}

const MARGIN = 2;

const covers = (a: Box, b: Box): boolean =>
  Math.min(a.right, b.right) > Math.max(a.left, b.left) && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top);

const isInside = (box: Box, frame: Box): boolean =>
  box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
