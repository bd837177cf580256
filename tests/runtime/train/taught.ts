import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { float32, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { type ModelPackage, type Rehearsal, sha256 } from "../../../runtime/package/package.ts";
import { merge } from "../../../runtime/serve/merge.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { TOY, toyPackage, toySamples } from "../toy.ts";

/** The toy as a base that knows its four classes: what an adapter has learnt, folded in, and a pack of what it has learnt from. */
export async function taughtPackage(): Promise<ModelPackage> {
  const untrained = toyPackage({ quantizedLogits: false });
  const { adapter } = await adapt({
    model: untrained,
    samples: toySamples(160, 1),
    method: "head+bias",
    epochs: 80,
    patience: 80,
    learningRate: 0.06,
  });
  const bytes = await merge(untrained, adapter);
  const hash = sha256(bytes);
  const card = { ...untrained.card, sha256: hash };
  return { path: "taught", model: decodeModel(bytes, "taught"), bytes, sha256: hash, card, rehearsal: toyRehearsal() };
}

/** A few samples of each class, as the toy's quantized input has them. */
export function toyRehearsal(count = 48): Rehearsal {
  const pack = toySamples(count, 77);
  const quantized = pack.flatMap(({ features }) =>
    Array.from(features.data as Float32Array, (value) => Math.min(255, Math.max(0, Math.round(value / 0.016) + 128))),
  );
  const features = tensor("uint8", [count, TOY.channels, TOY.height, TOY.width], Uint8Array.from(quantized));
  return { value: "features_q", features, labels: pack.map(({ label }) => ["a", "b", "c", "d"].indexOf(label)) };
}

/** The same samples, as a site with other light has them. */
export const elsewhere = (samples: readonly { label: string; features: Tensor }[]) =>
  samples.map(({ label, features }) => ({
    label,
    features: float32(
      features.dims,
      Float32Array.from(features.data as Float32Array, (value) => value * 0.55 + 0.35),
    ),
  }));
