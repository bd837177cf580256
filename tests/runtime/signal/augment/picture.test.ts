import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32 } from "../../../../runtime/onnx/tensor.ts";
import { seeded } from "../../../../runtime/random/random.ts";
import { brighten, colour, contrast, saturate } from "../../../../runtime/signal/augment/colour.ts";
import { crop, cropTo, randomBox } from "../../../../runtime/signal/augment/crop.ts";
import { cutout } from "../../../../runtime/signal/augment/cutout.ts";
import { flip, mirror } from "../../../../runtime/signal/augment/flip.ts";
import type { Picture } from "../../../../runtime/signal/picture.ts";

const seed = fc.integer().map((value) => value >>> 0);
const side = fc.integer({ min: 1, max: 12 });
const pictures: fc.Arbitrary<Picture> = fc
  .record({ width: side, height: side, channels: fc.constantFrom(1, 3) })
  .chain((size) => {
    const length = size.width * size.height * size.channels;
    return fc.uint8Array({ minLength: length, maxLength: length }).map((pixels) => ({ ...size, pixels }));
  });
const plain = (width: number, height: number, pixel: readonly number[]): Picture => ({
  width,
  height,
  channels: pixel.length,
  pixels: Float32Array.from({ length: width * height * pixel.length }, (_, at) => pixel[at % pixel.length]!),
});
const lumaOf = ({ pixels }: Picture, at: number) =>
  0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!;

describe("a crop", () => {
  const options = { leastArea: 0.6, mostAspect: 4 / 3 };

  it("keeps at least the least area, no more aspect than the most, and stays inside", () => {
    fc.assert(
      fc.property(pictures, seed, (picture, value) => {
        const box = randomBox(picture, options, seeded(value));
        const area = (box.width * box.height) / (picture.width * picture.height);
        const aspect = box.width / picture.width / (box.height / picture.height);
        expect(area).toBeGreaterThan(0.6 - 1e-9);
        expect(area).toBeLessThan(1 + 1e-9);
        expect(aspect).toBeGreaterThan(3 / 4 - 1e-9);
        expect(aspect).toBeLessThan(4 / 3 + 1e-9);
        expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0);
        expect(box.left + box.width).toBeLessThan(picture.width + 1e-9);
        expect(box.top + box.height).toBeLessThan(picture.height + 1e-9);
      }),
    );
  });

  it("of a plain picture is plain, in the size wanted", () => {
    fc.assert(
      fc.property(seed, side, side, (value, width, height) => {
        const found = crop(plain(9, 7, [10, 20, 30]), { width, height }, options, seeded(value));
        expect(found).toEqual(plain(width, height, [10, 20, 30]));
      }),
    );
  });

  it("of the whole, to the same size, is the picture", () => {
    fc.assert(
      fc.property(pictures, (picture) => {
        const found = cropTo(picture, { left: 0, top: 0, width: picture.width, height: picture.height }, picture);
        expect(found.pixels).toEqual(Float32Array.from(picture.pixels));
      }),
    );
  });

  it("at whole pixels takes these pixels, and between them their mean", () => {
    const ramp = { width: 4, height: 1, channels: 1, pixels: Uint8Array.of(0, 10, 20, 30) };
    const two = { width: 2, height: 1 };
    expect([...cropTo(ramp, { left: 1, top: 0, width: 2, height: 1 }, two).pixels]).toEqual([10, 20]);
    expect([...cropTo(ramp, { left: 0.5, top: 0, width: 2, height: 1 }, two).pixels]).toEqual([5, 15]);
    expect([...cropTo(ramp, { left: 0, top: 0, width: 4, height: 1 }, two).pixels]).toEqual([5, 25]);
  });
});

describe("a flip", () => {
  it("twice is the picture; once it exchanges first and last column", () => {
    fc.assert(
      fc.property(pictures, (picture) => {
        const once = mirror(picture);
        expect(mirror(once)).toEqual(picture);
        const last = (picture.width - 1) * picture.channels;
        expect(once.pixels[0]).toBe(picture.pixels[last]);
      }),
    );
  });

  it("happens as often as its chance says", () => {
    const random = seeded(5);
    const picture = { width: 2, height: 1, channels: 1, pixels: Uint8Array.of(1, 2) };
    const flipped = Array.from({ length: 1000 }, () => flip(picture, { chance: 0.5 }, random).pixels[0] === 2);
    expect(flipped.filter(Boolean).length).toBeGreaterThan(440);
    expect(flipped.filter(Boolean).length).toBeLessThan(560);
    expect(flip(picture, { chance: 0 }, random)).toBe(picture);
  });
});

describe("colour", () => {
  const mild = plain(2, 1, [0, 0, 0]);
  mild.pixels.set([100, 120, 90, 60, 70, 80]);

  it("brightness is a factor", () => {
    expect([...brighten(mild, 0.5).pixels]).toEqual([50, 60, 45, 30, 35, 40]);
  });

  it("contrast keeps the mean grey and scales what differs from it", () => {
    const found = contrast(mild, 0.5);
    const mean = (picture: Picture) => (lumaOf(picture, 0) + lumaOf(picture, 3)) / 2;
    expect(mean(found)).toBeCloseTo(mean(mild), 3);
    expect(found.pixels[0]! - found.pixels[3]!).toBeCloseTo(20, 3);
  });

  it("saturation keeps each pixel's grey; none is grey, and grey pictures stay", () => {
    const found = saturate(mild, 1.5);
    expect(lumaOf(found, 0)).toBeCloseTo(lumaOf(mild, 0), 3);
    expect(found.pixels[1]! - found.pixels[2]!).toBeCloseTo(45, 3);
    const [red, green, blue] = saturate(mild, 0).pixels;
    expect(green).toBeCloseTo(red!, 4);
    expect(blue).toBeCloseTo(red!, 4);
    const grey = plain(2, 2, [77]);
    expect(saturate(grey, 1.3)).toBe(grey);
  });

  it("stays between black and white, and in shape", () => {
    fc.assert(
      fc.property(pictures, seed, (picture, value) => {
        const found = colour(picture, { brightness: 0.9, contrast: 0.9, saturation: 0.9 }, seeded(value));
        expect(found.pixels).toHaveLength(picture.pixels.length);
        expect(found.pixels.every((pixel) => pixel >= 0 && pixel <= 255)).toBe(true);
      }),
    );
  });

  it("with no range changes nothing beyond rounding", () => {
    const found = colour(mild, { brightness: 0, contrast: 0, saturation: 0 }, seeded(6));
    found.pixels.forEach((pixel, at) => void expect(pixel).toBeCloseTo(mild.pixels[at]!, 3));
  });
});

describe("a cutout", () => {
  it("is a square wholly inside, the same in every channel, up to its share of the shorter side", () => {
    const sides = new Set<number>();
    fc.assert(
      fc.property(seed, (value) => {
        const features = float32([1, 3, 12, 20], new Float32Array(720).fill(1));
        const { dims, data } = cutout(features, { sideShare: 1 / 3 }, seeded(value));
        expect(dims).toEqual(features.dims);
        const planes = [0, 240, 480].map((start) => data.subarray(start, start + 240));
        expect(planes[1]).toEqual(planes[0]);
        expect(planes[2]).toEqual(planes[0]);
        const hidden = [...planes[0]!.keys()].filter((at) => planes[0]![at] === 0);
        const columns = new Set(hidden.map((at) => at % 20)).size;
        const rows = new Set(hidden.map((at) => Math.floor(at / 20))).size;
        expect(columns).toBe(rows);
        expect(hidden).toHaveLength(rows * columns);
        sides.add(rows);
      }),
      { numRuns: 200, seed: 7 },
    );
    expect([...sides].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});
