import fc from "fast-check";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { LichenError } from "../../../runtime/errors.ts";
import type { Preprocessing } from "../../../runtime/package/card.ts";
import { createPreprocessor, featureShape } from "../../../runtime/signal/index.ts";

const CARD = {
  kind: "image",
  width: 2,
  height: 2,
  channels: 3,
  mean: [0, 0, 0],
  std: [1, 1, 1],
} satisfies Preprocessing;
const GREY = { ...CARD, channels: 1 as const, mean: [0], std: [1] };

const see = async (card: Preprocessing, file: Uint8Array) => {
  const { dims, data } = await createPreprocessor(card).features(file, "a.jpg");
  expect(dims).toEqual([1, ...featureShape(card)]);
  return [...data];
};

type Colour = readonly [red: number, green: number, blue: number];
const RED: Colour = [255, 0, 0];
const BLUE: Colour = [0, 0, 255];

/** A picture of one colour. */
const plain = (width: number, height: number, [r, g, b]: Colour, alpha?: number) =>
  sharp({
    create:
      alpha === undefined
        ? { width, height, channels: 3, background: { r, g, b } }
        : { width, height, channels: 4, background: { r, g, b, alpha } },
  });

/** [channel] of a picture of one colour, as a model sees it */
const colourOf = async (file: Uint8Array, card: Preprocessing = CARD) => {
  const seen = await see(card, file);
  return [seen[0]!, seen[4]!, seen[8]!];
};

const near = (found: readonly number[], wanted: readonly number[], tolerance: number) =>
  found.forEach((value, channel) => void expect(Math.abs(value - wanted[channel]!)).toBeLessThanOrEqual(tolerance));

describe("formats", () => {
  const ORANGE: Colour = [250, 130, 20];

  it.each<[string, (picture: Sharp) => Sharp, number]>([
    ["JPEG", (picture) => picture.jpeg({ quality: 95 }), 4],
    ["progressive JPEG", (picture) => picture.jpeg({ quality: 95, progressive: true }), 4],
    ["PNG", (picture) => picture.png(), 0],
    ["PNG with a palette", (picture) => picture.png({ palette: true }), 1],
    ["interlaced PNG", (picture) => picture.png({ progressive: true }), 0],
    ["WebP", (picture) => picture.webp({ quality: 95 }), 6],
    ["lossless WebP", (picture) => picture.webp({ lossless: true }), 0],
    ["GIF", (picture) => picture.gif(), 1],
    ["TIFF", (picture) => picture.tiff({ compression: "lzw" }), 0],
    ["AVIF", (picture) => picture.avif({ quality: 90, effort: 0 }), 6],
    ["PNG of 16 bits", (picture) => picture.toColourspace("rgb16").png(), 1],
  ])("%s", async (_, encode, tolerance) => {
    near(await colourOf(await encode(plain(40, 30, ORANGE)).toBuffer()), ORANGE, tolerance);
  });

  it("are named by the extensions that the preprocessor takes", () => {
    expect(createPreprocessor(CARD).extensions).toEqual([
      ".jpg",
      ".jpeg",
      ".png",
      ".webp",
      ".gif",
      ".tif",
      ".tiff",
      ".avif",
    ]);
  });

  it("of drawings are none, whatever the file is called", async () => {
    const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>');
    await expect(see(CARD, svg)).rejects.toThrow(/BAD_IMAGE.*svg/);
  });

  it("that move show their first picture", async () => {
    const frames = Buffer.concat(
      [RED, BLUE].flatMap((colour) => Array.from({ length: 16 }, () => Buffer.from(colour))),
    );
    const gif = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .gif({ delay: [100, 100] })
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    near(await colourOf(gif), RED, 1);
  });
});

describe("colours", () => {
  it("of print become those of a screen", async () => {
    const cmyk = await plain(40, 30, [150, 120, 100]).toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe("cmyk");
    near(await colourOf(cmyk), [150, 120, 100], 12);
  });

  it("of a wide display become those that a model was trained with", async () => {
    const green: Colour = [60, 200, 90];
    const p3 = await plain(40, 30, green).withIccProfile("p3").png().toBuffer();
    const { data } = await sharp(p3).raw().toBuffer({ resolveWithObject: true });
    // The pixels are other ones than sRGB's; the profile says so.
    const stored = await sharp(await sharp(p3, { ignoreIcc: true }).png().toBuffer())
      .raw()
      .toBuffer();
    expect(Math.abs(stored[0]! - green[0])).toBeGreaterThan(10);
    near(await colourOf(p3), green, 3);
    expect(data.length).toBeGreaterThan(0);
  });

  it("are grey for a model of one channel: weighed as the eye does", async () => {
    const greys = await Promise.all(
      (
        [
          [255, 0, 0],
          [0, 255, 0],
          [0, 0, 255],
          [128, 128, 128],
        ] as const
      ).map(async (colour) => (await see(GREY, await plain(9, 9, colour).png().toBuffer()))[0]!),
    );
    const [red, green, blue, grey] = greys as [number, number, number, number];
    expect(green).toBeGreaterThan(red);
    expect(red).toBeGreaterThan(blue);
    expect(grey).toBe(128);
  });

  it("are made of grey files too, of 8 and of 16 bits", async () => {
    const grey = plain(9, 9, [100, 100, 100]).greyscale();
    expect(await colourOf(await grey.clone().png().toBuffer())).toEqual([100, 100, 100]);
    near(await colourOf(await grey.clone().toColourspace("grey16").png().toBuffer()), [100, 100, 100], 1);
    near([(await see(GREY, await grey.clone().toColourspace("grey16").png().toBuffer()))[0]!], [100], 1);
  });

  it("stand in the order that the card says, each with its own mean", async () => {
    const file = await plain(4, 4, [10, 20, 30]).png().toBuffer();
    expect(await colourOf(file, { ...CARD, order: "bgr", mean: [1, 2, 3], std: [1, 2, 1] })).toEqual([29, 9, 7]);
  });

  it("shine through where a picture is transparent, from what the card puts beneath", async () => {
    const file = await plain(4, 4, [200, 0, 0], 0.5).png().toBuffer();
    near(await colourOf(file), [100, 0, 0], 1);
    near(await colourOf(file, { ...CARD, background: "white" }), [227, 127, 127], 1);
  });
});

describe("shapes", () => {
  /** Left half red, right half blue; twice as wide as high. */
  const wide = () =>
    plain(40, 20, RED)
      .composite([{ input: { create: { width: 20, height: 20, channels: 3, background: "#00f" } }, left: 20, top: 0 }])
      .png()
      .toBuffer();
  const redOf = async (card: Preprocessing) => (await see(card, await wide())).slice(0, 16);
  const FOUR = { ...CARD, width: 4, height: 4 };

  it("are covered, contained or stretched", async () => {
    const row = [255, 255, 0, 0];
    near(await redOf(FOUR), [...row, ...row, ...row, ...row], 30);
    near(await redOf({ ...FOUR, fit: "stretch" }), [...row, ...row, ...row, ...row], 30);
    near(await redOf({ ...FOUR, fit: "contain" }), [0, 0, 0, 0, ...row, ...row, 0, 0, 0, 0], 30);
    const white = [255, 255, 255, 255];
    near(await redOf({ ...FOUR, fit: "contain", background: "white" }), [...white, ...row, ...row, ...white], 30);
  });

  it("are the middle of what is covered, and all of what is stretched", async () => {
    const edge = await plain(60, 20, RED)
      .composite([{ input: { create: { width: 20, height: 20, channels: 3, background: "#00f" } }, left: 20, top: 0 }])
      .png()
      .toBuffer();
    near((await see(FOUR, edge)).slice(0, 16), Array(16).fill(0), 30);
    expect((await see({ ...FOUR, fit: "stretch" }, edge)).slice(0, 16).filter((red) => red > 200).length).toBe(8);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("are turned upright from EXIF orientation %i", async (orientation) => {
    // Where the red corner of an upright picture is stored, by orientation: top left, row by row.
    const stored = [0, 1, 3, 2, 0, 2, 3, 1][orientation - 1]!;
    const pixels = Uint8Array.from([0, 1, 2, 3].flatMap((at) => (at === stored ? RED : BLUE)));
    const file = await sharp(pixels, { raw: { width: 2, height: 2, channels: 3 } })
      .withMetadata({ orientation })
      .png()
      .toBuffer();
    expect((await see(CARD, file)).slice(0, 4)).toEqual([255, 0, 0, 0]);
  });

  it.each([
    [1, 1],
    [10_000, 1],
    [1, 10_000],
    [3000, 2000],
  ])("of %i × %i pixels are one colour where they were", async (width, height) => {
    const file = await plain(width, height, [40, 80, 160]).png().toBuffer();
    for (const fit of ["cover", "contain", "stretch"] as const) {
      const seen = await see({ ...CARD, width: 96, height: 96, fit }, file);
      const middle = 48 * 96 + 48;
      if (fit !== "contain") expect(new Set(seen.slice(0, 96 * 96))).toEqual(new Set([40]));
      else if (width === height) near([seen[middle]!], [40], 1);
    }
  });
});

describe("what is refused", () => {
  it("is a picture of more pixels than a board could hold, by its header alone", async () => {
    const bomb = await plain(4, 4, RED).jpeg().toBuffer();
    // Height and width, five bytes behind the marker of the frame's header.
    const frame = bomb.indexOf(Uint8Array.of(0xff, 0xc0));
    bomb.writeUInt16BE(9000, frame + 5);
    bomb.writeUInt16BE(9000, frame + 7);
    await expect(see(CARD, bomb)).rejects.toThrow(/BAD_IMAGE.*pixel/i);
  });

  const noise = () =>
    sharp(
      Uint8Array.from({ length: 64 * 64 * 3 }, (_, at) => (at * at * 31 + at * 7) % 251),
      { raw: { width: 64, height: 64, channels: 3 } },
    );

  it.each<[string, (picture: Sharp) => Sharp]>([
    ["JPEG", (picture) => picture.jpeg()],
    ["PNG", (picture) => picture.png()],
    ["WebP", (picture) => picture.webp()],
    ["GIF", (picture) => picture.gif()],
    ["TIFF", (picture) => picture.tiff({ compression: "lzw" })],
    ["AVIF", (picture) => picture.avif({ effort: 0 })],
  ])("is a %s that is cut short", async (_, encode) => {
    const file = await encode(noise()).toBuffer();
    for (const part of [0.3, 0.6, 0.9])
      await expect(see(CARD, file.subarray(0, Math.floor(file.length * part))), `${part}`).rejects.toThrow(
        /^BAD_IMAGE/,
      );
  });

  it("is an empty file", async () => {
    await expect(see(CARD, new Uint8Array())).rejects.toThrow(/^BAD_IMAGE/);
  });

  it("is never anything but an error with a code", async () => {
    const good = await noise().resize(16, 16).png().toBuffer();
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(good.length), async (changes, end) => {
        const bytes = Uint8Array.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          expect((await see(CARD, bytes.subarray(0, end))).every(Number.isFinite)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(LichenError);
        }
      }),
      { numRuns: 100 },
    );
  });
});
