import { describe, expect, it } from "vitest";
import { fitWindow, logMel } from "../../../runtime/signal/index.ts";
import { LOG_MEL, reference, sound } from "./sound.ts";

describe("log-mel features", () => {
  it("agree with librosa", () => {
    const { dims, data } = logMel(LOG_MEL)(sound(8000));
    expect(dims).toEqual([1, 1, 40, 61]);
    reference.logMel.features.forEach((row, mel) => {
      row.forEach((value, column) => {
        const found = data[mel * 61 + reference.logMel.frames[column]!]!;
        expect(Math.abs(found - value), `mel ${mel}, frame ${column}`).toBeLessThan(1e-4);
      });
    });
  });

  it("of silence are the floor, normalized", () => {
    const { data } = logMel({ ...LOG_MEL, powerFloor: 1, mean: 2, std: 4 })(new Float32Array(100));
    expect(new Set(data)).toEqual(new Set([-0.5]));
  });

  it("refuse more bands than the spectrum can tell apart", () => {
    expect(() => logMel({ ...LOG_MEL, mels: 200 })).toThrow(/BAD_CARD.*band \d+/);
  });
});

describe("the window", () => {
  it("centres a shorter sound in silence", () => {
    expect([...fitWindow(Float32Array.of(1, 2, 3), 6, 2)]).toEqual([0, 1, 2, 3, 0, 0]);
  });

  it("takes a sound of its own length as it is", () => {
    expect([...fitWindow(Float32Array.of(1, 2, 3), 3, 2)]).toEqual([1, 2, 3]);
  });

  it("cuts a longer one to its loudest part, at a multiple of the hop", () => {
    expect([...fitWindow(Float32Array.of(0, 1, 0, 0, 0, 5, 0, 0, 0), 4, 2)]).toEqual([0, 0, 0, 5]);
    expect([...fitWindow(Float32Array.of(0, 0, 0, 0, 0, 0, 1, 5, 5), 4, 2)]).toEqual([0, 0, 1, 5]);
  });

  it("takes the first of equally loud parts", () => {
    expect(fitWindow(Float32Array.of(1, 2, 1, 2, 1, 2), 2, 2).byteOffset).toBe(0);
  });
});
