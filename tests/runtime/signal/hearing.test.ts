import { describe, expect, it } from "vitest";
import type { Preprocessing } from "../../../runtime/package/card.ts";
import { createHearing, fullPreprocessing } from "../../../runtime/signal/index.ts";
import type { Heard } from "../../../runtime/signal/window.ts";
import { LOG_MEL, reference, sound } from "./sound.ts";

const hear = (card: Preprocessing, window: Float32Array) => {
  const { listen, arrange } = createHearing(fullPreprocessing(card) as Heard);
  return arrange(listen(window));
};

describe("log-mel features", () => {
  it("agree with librosa", () => {
    const { dims, data } = hear(LOG_MEL, sound(8000));
    expect(dims).toEqual([1, 1, 40, 61]);
    reference.logMel.features.forEach((row, mel) => {
      row.forEach((value, column) => {
        const found = data[mel * 61 + reference.logMel.frames[column]!]!;
        expect(Math.abs(found - value), `mel ${mel}, frame ${column}`).toBeLessThan(1e-4);
      });
    });
  });

  it("of silence are the floor, normalized", () => {
    const { data } = hear({ ...LOG_MEL, powerFloor: 1, mean: 2, std: 4 }, new Float32Array(8000));
    expect(new Set(data)).toEqual(new Set([-0.5]));
  });

  it("refuse more bands than the spectrum can tell apart", () => {
    expect(() => hear({ ...LOG_MEL, mels: 200 }, sound(8000))).toThrow(/BAD_CARD.*band \d+/);
  });
});
