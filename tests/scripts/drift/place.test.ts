import { expect, test } from "vitest";
import { seeded } from "../../../runtime/random/random.ts";
import { effective } from "../../../scripts/demo/enclosure.ts";
import { heardAt, placeAt } from "../../../scripts/drift/place.ts";

const RATE = 8000;
const tone = (hz: number) => Float32Array.from({ length: RATE / 2 }, (_, n) => Math.sin((2 * Math.PI * hz * n) / RATE));
const decibels = (sound: Float32Array) => 20 * Math.log10(effective(sound));

test("the place drifts one way only, and stays where it is at either end of the day", () => {
  const hums = Array.from({ length: 49 }, (_, half) => placeAt(half / 2).box.humDecibels);
  for (const [at, hum] of hums.slice(1).entries()) expect(hum).toBeLessThan(hums[at]!);
  expect(placeAt(30)).toEqual(placeAt(24));
  expect(placeAt(-1)).toEqual(placeAt(0));
});

test("halfway, every number of the place is halfway", () => {
  const [morning, noon, night] = [placeAt(0), placeAt(12), placeAt(24)];
  expect(noon.levelDecibels).toBeCloseTo((morning.levelDecibels + night.levelDecibels) / 2, 9);
  expect(noon.box.resonances[2]!.decibels).toBeCloseTo(-6, 9);
  expect(noon.box.resonances).toHaveLength(3);
});

test("a word comes at the place's level, and never beyond full scale", () => {
  for (const hour of [0, 12, 24]) {
    const heard = heardAt(placeAt(hour), tone(800), RATE, seeded(1));
    expect(decibels(heard)).toBeCloseTo(placeAt(hour).levelDecibels, 1);
    expect(Math.max(...heard.map(Math.abs))).toBeLessThanOrEqual(1);
  }
});

test("at night the machine is louder beside the voice than in the morning", () => {
  // What is left of a tone when the tone itself is taken out: correlation with its sine and cosine.
  const rest = (hour: number) => {
    const heard = heardAt(placeAt(hour), tone(800), RATE, seeded(2));
    const share = (phase: number) =>
      (2 * heard.reduce((sum, x, n) => sum + x * Math.sin((2 * Math.PI * 800 * n) / RATE + phase), 0)) / heard.length;
    const voice = (share(0) ** 2 + share(Math.PI / 2) ** 2) / 2;
    return 1 - voice / effective(heard) ** 2;
  };
  expect(rest(0)).toBeLessThan(0.05);
  expect(rest(24)).toBeGreaterThan(0.3);
});

test("the same seed makes the same sound, another one other noise", () => {
  const heard = (seed: number) => heardAt(placeAt(20), tone(500), RATE, seeded(seed));
  expect(heard(3)).toEqual(heard(3));
  expect(heard(3)).not.toEqual(heard(4));
});
