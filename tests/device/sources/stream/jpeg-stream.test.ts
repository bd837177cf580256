import fc from "fast-check";
import sharp from "sharp";
import { expect, test } from "vitest";
import { createJpegStream } from "../../../../device/sources/stream/jpeg-stream.ts";
import { chunked, joined } from "./chunks.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const run = (chunks: readonly Uint8Array[], maxBytes = 1 << 20) => {
  const stream = createJpegStream({ maxBytes });
  const pictures = chunks.flatMap((chunk) => stream.push(chunk)).map((picture) => Buffer.from(picture).toString("hex"));
  return { pictures, dropped: stream.dropped() };
};
const hex = (picture: Uint8Array) => Buffer.from(picture).toString("hex");

/** SOI, a comment, a scan, EOI; the comment may hold anything, a whole picture for one. */
const picture = (comment: Uint8Array, scan: Uint8Array) =>
  joined(
    bytes(0xff, 0xd8, 0xff, 0xfe, (comment.length + 2) >> 8, (comment.length + 2) & 255),
    comment,
    bytes(0xff, 0xda, 0, 3, 7),
    scan,
    bytes(0xff, 0xd9),
  );
/** A scan as an encoder writes it: an FF is followed by 00 or by a restart. */
const scans = fc
  .array(
    fc.oneof(
      fc.nat(0xfe).map((value) => [value]),
      fc.constantFrom([0xff, 0], [0xff, 0xd3]),
    ),
    { maxLength: 60 },
  )
  .map((parts) => Uint8Array.from(parts.flat()));
const pictures = fc.tuple(fc.uint8Array({ maxLength: 80 }), scans).map(([comment, scan]) => picture(comment, scan));
/** What stands between pictures, as in a multipart stream: no picture begins in it. */
const between = fc.string({ maxLength: 20 }).map((text) => new TextEncoder().encode(`\r\n--boundary ${text}\r\n`));

test("real pictures, one behind the other, come out byte for byte", async () => {
  const made = await Promise.all(
    ["#123", "#fed", "#3c9"].map(
      async (background, at) =>
        new Uint8Array(
          await sharp({ create: { width: 40 + at, height: 30, channels: 3, background } })
            .jpeg({ progressive: at === 1 })
            .toBuffer(),
        ),
    ),
  );
  expect(run([joined(...made)])).toEqual({ pictures: made.map(hex), dropped: 0 });
});

test("however the stream is cut, and whatever stands between, every picture comes out once and in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(between, pictures), { maxLength: 4 }).chain((parts) => {
        const stream = joined(...parts.flat());
        return fc.tuple(fc.constant(parts.map(([, one]) => hex(one))), chunked(stream));
      }),
      ([wanted, chunks]) => void expect(run(chunks)).toEqual({ pictures: wanted, dropped: 0 }),
    ),
  );
});

test("a thumbnail within a picture does not end it", () => {
  const thumbnail = picture(bytes(), bytes(1, 2, 3));
  const whole = picture(thumbnail, bytes(4, 5));
  expect(run([whole])).toEqual({ pictures: [hex(whole)], dropped: 0 });
});

test("whatever comes, the pictures do not depend on how it is cut, and none is over the bound", () => {
  const noise = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.constantFrom(bytes(0xff), bytes(0xff, 0xd8), bytes(0xff, 0xd9)),
      pictures,
    ),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(
      noise.chain((parts) => fc.tuple(fc.constant(joined(...parts)), chunked(joined(...parts)))),
      ([whole, chunks]) => {
        const found = run(chunks, 100);
        expect(found).toEqual(run([whole], 100));
        for (const one of found.pictures) expect(one).toMatch(/^ffd8.*ffd9$/);
        for (const one of found.pictures) expect(one.length).toBeLessThanOrEqual(200);
      },
    ),
    { numRuns: 500 },
  );
});

test("a picture over the bound is dropped and counted, and the next one comes out", () => {
  const big = picture(bytes(), new Uint8Array(200));
  const small = picture(bytes(), bytes(1));
  expect(run([big.subarray(0, 150), big.subarray(150), small], 100)).toEqual({ pictures: [hex(small)], dropped: 1 });
});

test("a picture cut short by the beginning of another is dropped", () => {
  const whole = picture(bytes(9), bytes(1, 2));
  expect(run([whole.subarray(0, 12), whole])).toEqual({ pictures: [hex(whole)], dropped: 1 });
});

test("a length that cannot be, or a byte where a marker must stand, breaks a picture", () => {
  const whole = picture(bytes(9), bytes(1, 2));
  expect(run([bytes(0xff, 0xd8, 0xff, 0xe0, 0, 1), whole])).toEqual({ pictures: [hex(whole)], dropped: 1 });
  expect(run([bytes(0xff, 0xd8, 0x41), whole])).toEqual({ pictures: [hex(whole)], dropped: 1 });
});
