import { createClassifier, loadModel } from "../../../runtime/index.ts";

/** Loads a package and lets it answer silence, or a black picture. Brings ONNX Runtime along: to be imported when it is needed. */
export async function tryModel(
  folder: string,
  threads: number,
): Promise<{ readonly sha256: string; readonly inferenceMs: number }> {
  const model = await loadModel(folder);
  const classifier = await createClassifier(model, { threads });
  try {
    const shape = model.model.graph.inputs[0]!.shape.map((size) => (typeof size === "number" ? size : 1));
    const dims = [1, ...shape.slice(1)];
    const features = {
      type: "float32" as const,
      dims,
      data: new Float32Array(dims.reduce((product, size) => product * size, 1)),
    };
    // The first one also warms up.
    await classifier.classify(features);
    const began = performance.now();
    await classifier.classify(features);
    return { sha256: model.sha256, inferenceMs: performance.now() - began };
  } finally {
    await classifier.close();
  }
}
