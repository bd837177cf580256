import type { Card } from "../../runtime/package/card.ts";

/** What a model hears or sees, in a few words. */
export function preprocessed(how: Card["preprocessing"]): string {
  if (how.kind === "image") return `pictures, ${how.width}×${how.height}, ${how.channels === 1 ? "grey" : "in colour"}`;
  const heard = `sound, ${Number((how.windowSamples / how.sampleRateHz).toFixed(3))} s at ${how.sampleRateHz} Hz`;
  if (how.kind === "waveform") return `${heard}, as it is`;
  return `${heard}, as ${how.kind === "mfcc" ? `${how.coefficients} cepstral coefficients` : `${how.mels} mel bands`}`;
}
