import { LichenError } from "../errors.ts";
import type { ValueInfo } from "../onnx/graph.ts";
import type { Preprocessing } from "../package/card.ts";
import { createPreprocessor, encodeWav } from "../signal/index.ts";

/** That what a preprocessing makes of a sample is what a model takes in. @throws BAD_ARGUMENT with both shapes, BAD_CARD */
export async function assertFits(preprocessing: Preprocessing, { name, shape }: ValueInfo): Promise<void> {
  const made = await sizesOf(preprocessing);
  const wanted = shape.slice(1);
  if (made.length === wanted.length && made.every((size, axis) => size === wanted[axis])) return;
  throw new LichenError("BAD_ARGUMENT", {
    at: "the preprocessing",
    found: `samples of [${made.join(", ")}] by its kind ${preprocessing.kind}`,
    wanted: `[${wanted.join(", ")}], as input ${name} has it`,
    todo: "correct the preprocessing, or --layout or --size of the model",
  });
}

/** Of one sample; sounds are tried, since their number of frames follows from many fields. */
async function sizesOf(preprocessing: Preprocessing): Promise<readonly number[]> {
  if (preprocessing.kind === "image") return [preprocessing.channels, preprocessing.height, preprocessing.width];
  const { sampleRateHz, windowSamples } = preprocessing;
  const tone = Float32Array.from({ length: windowSamples }, (_, n) => 0.5 * Math.sin(n / 3));
  const { dims } = await createPreprocessor(preprocessing).features(
    encodeWav({ sampleRateHz, channels: [tone] }),
    "a tone",
  );
  return dims.slice(1);
}
