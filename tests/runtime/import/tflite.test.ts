import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { buildTflite, INT32 } from "../tflite/build.ts";
import { smallTflite } from "../tflite/small.ts";
import { answers, imported } from "./graphs.ts";

it("becomes a package of the same form as any: one real input with its channels first, in integers inside", async () => {
  const { format, model, card, notes } = await imported(smallTflite(), { at: "Small Net.tflite" });
  expect(format).toBe("tflite");
  expect(model.graph.inputs).toMatchObject([{ type: "float32", shape: ["N", 1, 8, 8] }]);
  expect(model.graph.outputs).toMatchObject([{ type: "float32", shape: ["N", 3] }]);
  expect(prepareBase(model).layers.filter(({ weight, integer }) => weight && !integer)).toEqual([]);
  expect(card).toMatchObject({ id: "small-net", preprocessing: { kind: "image", width: 8, height: 8, channels: 1 } });
  expect(notes.join()).toMatch(/nothing says how pixels were normalized/);
});

/** The mean of each of three channels, written by a converter that keeps PyTorch's layout. */
const channelMeans = (): Uint8Array =>
  buildTflite({
    tensors: [
      { name: "x", shape: [1, 3, 4, 2] },
      { name: "perm", shape: [4], type: INT32, buffer: 1 },
      { name: "channels last", shape: [1, 4, 2, 3] },
      { name: "pool", shape: [1, 1, 1, 3] },
      { name: "shape", shape: [2], type: INT32, buffer: 2 },
      { name: "means", shape: [1, 3] },
    ],
    buffers: [new Uint8Array(), bytes(0, 2, 3, 1), bytes(1, 3)],
    codes: [39, 1, 22].map((code) => ({ deprecated: code, builtin: code })),
    operators: [
      { code: 0, inputs: [0, 1], outputs: [2], options: { kind: 26 } },
      { code: 1, inputs: [2], outputs: [3], options: { kind: 5, int32: { 1: 1, 2: 1, 3: 2, 4: 4 }, int8: { 0: 1 } } },
      { code: 2, inputs: [3, 4], outputs: [5] },
    ],
    inputs: [0],
    outputs: [5],
  });
const bytes = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);

it.each([undefined, "nchw" as const])(
  "channels that came first in the file stay there (--layout %s)",
  async (layout) => {
    const { model, notes } = await imported(channelMeans(), { at: "means.tflite", ...(layout && { layout }) });
    expect(model.graph.inputs[0]?.shape).toEqual(["N", 3, 4, 2]);
    expect(model.graph.nodes.map(({ opType }) => opType)).not.toContain("Transpose");
    expect(notes.join()).toContain("channels come first in the file already, as [N, 3, 4, 2]");
    const features = float32(
      [1, 3, 4, 2],
      Array.from({ length: 24 }, (_, at) => at),
    );
    expect((await answers(model, features)).data).toEqual(Float32Array.of(3.5, 11.5, 19.5));
  },
);

it("are read as the file has them where its owner says so", async () => {
  const channelsLast = { at: "means.tflite", layout: "nhwc" as const, mean: [0], std: [1] };
  await expect(imported(channelMeans(), channelsLast)).rejects.toThrow(/^BAD_ARGUMENT: .*\[N, 2, 3, 4\]/);
});

const shared = join(
  process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../../../../shared", import.meta.url)),
  "models",
);
const there = existsSync(shared);
if (!there) console.warn(`skipped: import of third-party TFLite models, for want of ${shared} (set LICHEN_SHARED)`);

it.skipIf(!there)("labels and normalization of a file come into the card", async () => {
  const name = "mobilenet_v1_0.25_128.uint8.tflite";
  const { card, notes } = await imported(await readFile(join(shared, name)), { at: name });
  expect(card.labels.slice(0, 2)).toEqual(["background", "tench, Tinca tinca"]);
  expect(card.labels.length).toBe(1001);
  expect(card.preprocessing).toMatchObject({ width: 128, mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5] });
  expect(notes.join()).toMatch(/file's own.*«crane \(2\)»/);
});

it.skipIf(!there)("a waveform needs its rate, and what is neither picture nor sound its preprocessing", async () => {
  const [yamnet, keywords] = ["yamnet.int8.tflite", "mlperf_kws_dscnn.int8.tflite"] as const;
  const bytesOf = (name: string) => readFile(join(shared, name));
  await expect(imported(await bytesOf(yamnet), { at: yamnet })).rejects.toThrow(
    /^BAD_ARGUMENT: .*--sample-rate.*15600/,
  );
  const { card } = await imported(await bytesOf(yamnet), { at: yamnet, sampleRateHz: 16_000 });
  expect(card.preprocessing).toMatchObject({ kind: "waveform", windowSamples: 15_600 });
  await expect(imported(await bytesOf(keywords), { at: keywords })).rejects.toThrow(
    /^BAD_ARGUMENT: .*--preprocessing.*1, 49, 10/,
  );
});
