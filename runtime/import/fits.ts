import { LichenError } from "../errors.ts";
import type { ValueInfo } from "../onnx/graph.ts";
import type { Preprocessing } from "../package/card.ts";
import { createPreprocessor, featureShape } from "../signal/index.ts";

/** That what a preprocessing makes of a sample is what a model takes in. @throws BAD_ARGUMENT with both shapes, BAD_CARD */
export function assertFits(preprocessing: Preprocessing, { name, shape }: ValueInfo): void {
  createPreprocessor(preprocessing); // its numbers have to go together
  const made = featureShape(preprocessing);
  const wanted = shape.slice(1);
  if (made.length === wanted.length && made.every((size, axis) => size === wanted[axis])) return;
  throw new LichenError("BAD_ARGUMENT", {
    at: "the preprocessing",
    found: `samples of [${made.join(", ")}] by its kind ${preprocessing.kind}`,
    wanted: `[${wanted.join(", ")}], as input ${name} has it`,
    todo: "correct the preprocessing, or --layout or --size of the model",
  });
}
