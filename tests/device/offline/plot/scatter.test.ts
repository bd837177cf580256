import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { type Box, placeLabels } from "../../../../device/offline/plot/labels.ts";
import { type ScatterPoint, scatterSvg } from "../../../../device/offline/plot/scatter.ts";

const frame: Box = { left: 64, top: 56, right: 736, bottom: 392 };

const overlaps = (a: Box, b: Box) =>
  Math.min(a.right, b.right) > Math.max(a.left, b.left) && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top);

const point = fc.record({
  x: fc.integer({ min: frame.left, max: frame.right }),
  y: fc.integer({ min: frame.top, max: frame.bottom }),
  width: fc.integer({ min: 30, max: 90 }),
  height: fc.constant(16),
});

/** Where one label once had a corner on another, since that seemed cheaper than the way around it. */
const NEAR_TOGETHER = [
  { x: 64, y: 59, width: 30, height: 16 },
  { x: 64, y: 56, width: 36, height: 16 },
  { x: 71, y: 63, width: 30, height: 16 },
];

describe("labels", () => {
  it("of a dozen points lie inside the frame, and none on another, wherever the points are", () => {
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 12 }), (points) => {
        const boxes = placeLabels(points, frame, []).map(({ box }) => box);
        boxes.forEach((box, at) => {
          expect(box.left >= frame.left && box.right <= frame.right).toBe(true);
          expect(box.top >= frame.top && box.bottom <= frame.bottom).toBe(true);
          expect(boxes.slice(at + 1).filter((other) => overlaps(box, other))).toEqual([]);
        });
      }),
      { numRuns: 60, examples: [[NEAR_TOGETHER]] },
    );
  });

  it("keep clear of what they are told to keep clear of", () => {
    const wall = { left: 400, top: 190, right: 500, bottom: 210 };
    const [placed] = placeLabels([{ x: 395, y: 200, width: 50, height: 16 }], frame, [wall]);
    expect(overlaps(placed!.box, wall)).toBe(false);
    const [free] = placeLabels([{ x: 395, y: 200, width: 50, height: 16 }], frame, []);
    expect(free!.box.left).toBeGreaterThan(395);
  });
});

const methods: ScatterPoint[] = [
  { label: "head", cost: 0.2, accuracy: 0.78, spread: 0.02 },
  { label: "bias", cost: 0.6, accuracy: 0.84 },
  { label: "worse & dearer", cost: 2, accuracy: 0.8 },
];

describe("the plot", () => {
  const svg = scatterSvg({
    title: "Every <method>",
    costLabel: "seconds",
    points: methods,
    reference: { label: "base 62.0 %", accuracy: 0.62 },
  });

  it("fills what is on the front, and that only", () => {
    const marks = svg.split("\n").filter((line) => line.startsWith("<g>"));
    expect(marks.map((mark) => /class="(on|off)"/.exec(mark)?.[1])).toEqual(["on", "on", "off"]);
    expect(marks[0]).toContain("<title>head: 78.0 % ± 2.0 at 0.2</title>");
  });

  it("keeps text as text, scripts out, and a dark side", () => {
    for (const text of ["Every &lt;method&gt;", ">worse &amp; dearer</text>", "base 62.0 %", "seconds"])
      expect(svg).toContain(text);
    expect(svg).not.toMatch(/<script|<foreignObject|href|var\(/);
    expect(svg).toContain("@media (prefers-color-scheme: dark)");
  });

  it("puts better above worse, and dearer to the right", () => {
    const circles = [...svg.matchAll(/<circle class="o\w+" cx="([\d.]+)" cy="([\d.]+)" r="5"\/><\/g>/g)];
    const [head, bias, worse] = circles.map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
    expect(bias!.y).toBeLessThan(worse!.y);
    expect(worse!.y).toBeLessThan(head!.y);
    expect([head!.x, bias!.x, worse!.x]).toEqual([head!.x, bias!.x, worse!.x].sort((a, b) => a - b));
  });

  it("is a picture for any points, costs of nothing and equal ones included", async () => {
    const any = fc.array(
      fc.record({
        label: fc.stringMatching(/^[a-z+<&"]{0,14}$/),
        cost: fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e9, noNaN: true })),
        accuracy: fc.double({ min: 0, max: 1, noNaN: true }),
        spread: fc.double({ min: 0, max: 0.5, noNaN: true }),
      }),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(any, async (points) => {
        const picture = scatterSvg({ title: "any", costLabel: "bytes", points });
        expect(picture).not.toMatch(/NaN|Infinity|undefined/);
        expect(await sharp(Buffer.from(picture)).metadata()).toMatchObject({ format: "svg", width: 760 });
      }),
      { numRuns: 40 },
    );
  });
});
