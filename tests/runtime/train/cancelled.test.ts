import { expect, it } from "vitest";
import { adapt, appraise, errorCode, evaluate, type LichenError } from "../../../runtime/index.ts";
import { toyPackage, toySamples } from "../toy.ts";

const model = toyPackage();
const samples = [...toySamples(24, 1), ...toySamples(6, 5).map((sample) => ({ ...sample, label: "e" }))];

/** All moments would take half a minute; of the last ones each is another place. */
const moments = (asked: number): number[] => [...Array(asked).keys()].filter((n) => n % 5 === 0 || n >= asked - 12);

/** A signal that is given while the work asks for it the n-th time. */
function signalAt(n: number): AbortSignal & { asked: number } {
  const signal = {
    asked: 0,
    get aborted() {
      return signal.asked++ >= n;
    },
  };
  return signal as unknown as AbortSignal & { asked: number };
}

it("ends whatever it is in the midst of, and asks in every phase", async () => {
  const options = { model, samples, classes: "extend" as const, method: "sparse+scale", epochs: 3, batch: 4 };
  const whole = signalAt(Number.POSITIVE_INFINITY);
  const { adapter } = await adapt({ ...options, signal: whole });
  const places = new Set<string>();
  for (const n of moments(whole.asked)) {
    const error = await adapt({ ...options, signal: signalAt(n) }).then(
      () => null,
      (error: LichenError) => error,
    );
    expect(errorCode(error)).toBe("CANCELLED");
    places.add(error!.details.at!.replace(/ [\d.e-]+$/, ""));
  }
  expect([...places].sort()).toEqual([
    "cache",
    "epoch",
    "importance",
    "imprinting",
    "learning-rate probe at",
    "samples",
    "scoring",
  ]);

  for (const work of [
    (signal: AbortSignal) => evaluate({ model, samples, adapter, signal }),
    (signal: AbortSignal) => appraise({ model, samples, candidate: adapter, signal }),
  ])
    for (const n of [0, 5]) await expect(work(signalAt(n))).rejects.toThrow(/CANCELLED/);
});
