import { expect, test } from "vitest";
import { driftSvg } from "../../../scripts/drift/plot.ts";
import type { DriftResult } from "../../../scripts/drift/result.ts";

const DAY: DriftResult = {
  seed: 1,
  voices: "nobody",
  words: 30,
  labelledEvery: 5,
  tested: 100,
  halfHours: Array.from({ length: 48 }, (_, at) => ({
    hour: (at + 1) / 2,
    speaker: "somebody",
    withLichen: 0.95,
    without: 0.95 - at / 80,
  })),
  rounds: [
    { hour: 2, accepted: true, reason: "GAIN", seconds: 2.5, samples: 20 },
    { hour: 13.5, accepted: false, reason: "NO_GAIN", seconds: 1, samples: 60 },
  ],
};

/** The y of each point of a path, from the left. */
function heights(svg: string, name: string): number[] {
  const [, d] = new RegExp(`<path class="${name}" d="([^"]+)"`).exec(svg)!;
  return d!
    .split(/[ML]/)
    .filter(Boolean)
    .map((point) => Number(point.split(" ")[1]));
}

test("one line stays up and the other goes down, a point for each half hour, inside the picture", () => {
  const svg = driftSvg(DAY);
  const [lichen, without] = [heights(svg, "with"), heights(svg, "without")];
  expect(lichen).toHaveLength(48);
  expect(new Set(lichen).size).toBe(1);
  expect(without[0]).toBe(lichen[0]);
  for (const [at, y] of without.slice(1).entries()) expect(y).toBeGreaterThan(without[at]!);
  for (const y of [...lichen, ...without]) {
    expect(y).toBeGreaterThan(0);
    expect(y).toBeLessThan(430);
  }
});

test("each round is marked where it was, filled when it was accepted, with its reason", () => {
  const marks = [...driftSvg(DAY).matchAll(/<title>([^<]+)<\/title><circle class="(on|off)" cx="([\d.]+)"/g)];
  expect(marks.map(([, title, kind]) => [title, kind])).toEqual([
    ["2:00: GAIN, 2.5 s", "on"],
    ["13:30: NO_GAIN, 1.0 s", "off"],
  ]);
  // 24 hours lie between 64 and 736.
  expect(Number(marks[1]![3])).toBeCloseTo(64 + (13.5 / 24) * 672, 1);
});

test("who cannot see the picture is told what it shows", () => {
  const [, told] = /<desc id="description">([^<]+)</.exec(driftSvg(DAY))!;
  expect(told).toContain("24 h: 95% with Lichen, 36% without");
  expect(told).toContain("2 rounds, 1 accepted");
});

test("a day that was cut short is drawn as far as it went", () => {
  const svg = driftSvg({ ...DAY, halfHours: [], rounds: [] });
  expect(svg).toContain('<path class="with" d=""/>');
  expect(svg).not.toContain("NaN");
});
