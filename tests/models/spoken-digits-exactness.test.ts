import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { adapt, createPreprocessor, evaluate, loadModel, type Sample } from "../../runtime/index.ts";

const RECORDINGS = "scripts/demo/recordings/board-a";

async function recordings(part: string, preprocessor: ReturnType<typeof createPreprocessor>): Promise<Sample[]> {
  const files = (await readdir(join(RECORDINGS, part), { recursive: true }))
    .filter((file) => file.endsWith(".wav"))
    .sort();
  return Promise.all(
    files.map(async (file) => ({
      label: file.split("/")[0]!,
      features: await preprocessor.features(await readFile(join(RECORDINGS, part, file)), file),
    })),
  );
}

it.each(["head", "bias", "head+bias"])(
  "what is trained is what is served, on the real model and real recordings: %s",
  async (method) => {
    const model = await loadModel("models/spoken-digits");
    const preprocessor = createPreprocessor(model.card.preprocessing);
    const heldOut = await recordings("test", preprocessor);
    const samples = await recordings("train", preprocessor);
    const { adapter, report } = await adapt({
      model,
      samples,
      heldOut,
      method,
      epochs: 2,
      learningRate: 0.01,
      threads: 2,
    });
    for (const [found, wanted] of [
      [await evaluate({ model, samples: heldOut, threads: 1 }), report.before.heldOut],
      [await evaluate({ model, adapter, samples: heldOut, threads: 1 }), report.after.heldOut],
    ] as const) {
      // A sum over the logits of every sample: equal to the last bit, in batches and one by one, on two threads and on one.
      expect(found).toMatchObject({ accuracy: wanted!.accuracy, loss: wanted!.loss });
    }
    expect(report.after.heldOut!.loss).toBeLessThan(report.before.heldOut!.loss);
  },
);
