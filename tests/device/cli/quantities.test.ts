import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  count,
  dimensions,
  durationInSeconds,
  learningRate,
  list,
  number,
  numbers,
  share,
  sizeInBytes,
  weight,
} from "../../../device/cli/quantities.ts";

describe("a size", () => {
  it.each([
    ["4096", 4096],
    ["0.5KiB", 512],
    ["64KiB", 65_536],
    ["32MiB", 33_554_432],
    ["32 mib", 33_554_432],
    ["1.5MB", 1_500_000],
    ["1e3", 1000],
    [" 2GiB ", 2_147_483_648],
    ["1.9B", 1],
  ])("%s is %d bytes", (text, bytes) => expect(sizeInBytes(text)).toBe(bytes));

  it.each(["", "MiB", "32M", "-1KiB", "0", "0.5", "1,5MB", "0x10", "Infinity", "NaN", "1e999", "32MiB extra", "1.2.3"])(
    "«%s» is refused",
    (text) => expect(() => sizeInBytes(text)).toThrow(InvalidArgumentError),
  );

  it("says what was found, and which units there are", () => {
    expect(() => sizeInBytes("32M")).toThrow(/Found «32M», wanted one of the units B, kB, MB, GB, KiB, MiB, GiB/);
    expect(() => sizeInBytes("much")).toThrow(/wanted a number with a unit, such as 4096, 64KiB or 32MiB/);
  });

  it("reads back whatever was written with a unit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4_000_000 }), (kibibytes) => {
        expect(sizeInBytes(`${kibibytes}KiB`)).toBe(kibibytes * 1024);
        expect(sizeInBytes(`${kibibytes / 1024}MiB`)).toBe(kibibytes * 1024);
      }),
    );
  });
});

describe("a duration", () => {
  it.each([
    ["60", 60],
    ["60s", 60],
    ["2min", 120],
    ["2 MIN", 120],
    ["1.5h", 5400],
    ["500ms", 0.5],
    [".5s", 0.5],
  ])("%s is %d seconds", (text, seconds) => expect(durationInSeconds(text)).toBe(seconds));

  it.each(["", "0", "0s", "-5", "5 weeks", "2m", "min"])("«%s» is refused", (text) =>
    expect(() => durationInSeconds(text)).toThrow(InvalidArgumentError),
  );
});

it("a learning rate is a positive number, or left to be found", () => {
  expect(learningRate("auto")).toBe("auto");
  expect(learningRate("1e-3")).toBe(0.001);
  for (const text of ["0", "-1", "", "automatic", "1e400"])
    expect(() => learningRate(text)).toThrow(InvalidArgumentError);
});

it("a list has single commas, and each name once", () => {
  expect(list("bias, head+bias ,blocks.*.conv")).toEqual(["bias", "head+bias", "blocks.*.conv"]);
  expect(() => list("bias,,scale")).toThrow(/single commas/);
  expect(() => list("")).toThrow(InvalidArgumentError);
  expect(() => list("bias,scale,bias")).toThrow(/«bias» stands there twice/);
});

it("counts are whole, numbers are not below zero", () => {
  expect([count("12"), number("0"), number("0.25")]).toEqual([12, 0, 0.25]);
  for (const text of ["0", "1.5", "-1", "1e3", "", "99999999999999999999"])
    expect(() => count(text)).toThrow(InvalidArgumentError);
  for (const text of ["-1", "", "one", "Infinity", "0x10"]) expect(() => number(text)).toThrow(InvalidArgumentError);
});

it("no text makes anything but a number or a refusal", () => {
  for (const parse of [sizeInBytes, durationInSeconds, number, count]) {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\d.eE+-]{0,8}[kKmMgGiBshn]{0,3}$/)), (text) => {
        try {
          const value = parse(text);
          expect(Number.isFinite(value) && value >= 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidArgumentError);
        }
      }),
    );
  }
});

it("a share is less than all; a weight may be left to Lichen", () => {
  expect([share("0"), share("0.5")]).toEqual([0, 0.5]);
  for (const text of ["1", "-0.1", "half"]) expect(() => share(text)).toThrow(InvalidArgumentError);
  expect([weight("auto"), weight("2.5")]).toEqual(["auto", 2.5]);
  expect(() => weight("some")).toThrow(InvalidArgumentError);
});

describe("numbers, and sizes of an input", () => {
  it.each([
    ["127.5", [127.5]],
    ["0.485, 0.456,0.406", [0.485, 0.456, 0.406]],
    ["0,0,0", [0, 0, 0]],
    ["-128", [-128]],
  ])("%s is %j", (text, value) => expect(numbers(text)).toEqual(value));
  it.each(["", "1,", "a", "1;2", "--1", "0x10"])("«%s» is no number", (text) => {
    expect(() => numbers(text)).toThrow(InvalidArgumentError);
  });

  it.each([
    ["224x192", [224, 192]],
    ["96X96", [96, 96]],
    ["16000", [16_000]],
  ])("%s is %j", (text, value) => expect(dimensions(text)).toEqual(value));
  it.each(["", "0x10", "10x", "1x2x3", "-5", "1.5", "99999999999"])("«%s» is no size", (text) => {
    expect(() => dimensions(text)).toThrow(InvalidArgumentError);
  });
});
