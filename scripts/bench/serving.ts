import { openSession } from "../../runtime/execute/session.ts";
import { adapt, loadModel, merge } from "../../runtime/index.ts";
import { float32, type Tensor } from "../../runtime/onnx/tensor.ts";
import { seeded } from "../../runtime/random/random.ts";
import { markdownTable, median } from "./tables.ts";

const ROUNDS = 3000;

/** Inference with an adapter folded in against the bare base: turn by turn in one process, medians. */
export async function benchServing(threads: number): Promise<string> {
  const model = await loadModel("models/spoken-digits");
  const next = seeded(1);
  const [input] = model.model.graph.inputs;
  const dims = input!.shape.map((dim) => (typeof dim === "number" ? dim : 1));
  const features = (): Tensor =>
    float32(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() * 4 - 2),
    );
  const samples = model.card.labels.flatMap((label) => [1, 2, 3].map(() => ({ label, features: features() })));
  const { adapter } = await adapt({ model, samples, method: "head+bias", epochs: 2 });

  const base = await openSession(model.bytes, { threads });
  const merged = await openSession(await merge(model, adapter), { threads });
  const times = { base: [] as number[], merged: [] as number[] };
  const sessions = { base, merged };
  for (let round = -200; round < ROUNDS; round++) {
    const feeds = { [input!.name]: samples[Math.abs(round) % samples.length]!.features };
    // Whoever goes second finds warmer caches: they take turns at it.
    const order = round % 2 === 0 ? (["base", "merged"] as const) : (["merged", "base"] as const);
    for (const which of order) {
      const startedMs = performance.now();
      await sessions[which].run(feeds);
      if (round >= 0) times[which].push(performance.now() - startedMs);
    }
  }
  await base.close();
  await merged.close();
  const [a, b] = [median(times.base), median(times.merged)];
  return markdownTable(
    ["base", "merged", "ratio of medians"],
    [[`${a.toFixed(4)} ms`, `${b.toFixed(4)} ms`, (b / a).toFixed(3)]],
  );
}
