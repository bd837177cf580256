import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { elementCount, float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { type Random, seeded } from "../../../runtime/random/random.ts";
import { mobileNetV2 } from "./mobilenet-v2.ts";

/** One network twice: the float model that its users would run without Lichen, and the int8 base of it. */
export interface Network {
  name: string;
  /** Files, for peers outside this process. */
  floatPath: string;
  float: Model;
  int8: Model;
  /** Patterns of the last four blocks' layers and all behind them. */
  lastBlocks: readonly string[];
  /** Steps in one call, and calls, that give a steady median. */
  steps: number;
  rounds: number;
}

/** The networks that the figures are about. */
export const NETWORKS: Readonly<Record<string, () => Promise<Network>>> = {
  "spoken-digits": async () => {
    const floatPath = "scripts/models/spoken-digits/float.onnx";
    const [float, int8] = [await load(floatPath), await load("models/spoken-digits/model.onnx")];
    // Of two layers each, and the head.
    return { name: "spoken-digits", floatPath, float, int8, lastBlocks: ["last:9"], steps: 25, rounds: 40 };
  },
  "mobilenet-v2": async () => ({
    ...(await built("mobilenet-v2", () => mobileNetV2())),
    lastBlocks: ["block13.*", "block14.*", "block15.*", "block16.*", "top", "logits"],
    steps: 2,
    rounds: 7,
  }),
};

/** Built and quantized once, then kept in the system's temporary folder. */
async function built(name: string, make: () => Model): Promise<Omit<Network, "lastBlocks" | "steps" | "rounds">> {
  const folder = path.join(tmpdir(), "lichen-bench");
  const [floatPath, int8Path] = ["float", "int8"].map((kind) => path.join(folder, `${name}-${kind}.onnx`)) as [
    string,
    string,
  ];
  await mkdir(folder, { recursive: true });
  if (!existsSync(int8Path)) {
    const float = make();
    const int8 = await quantizeModel(float, { samples: calibration(float) });
    for (const [file, model] of [
      [floatPath, float],
      [int8Path, int8],
    ] as const) {
      await writeFile(`${file}.new`, encodeModel(model));
      await rename(`${file}.new`, file);
    }
  }
  return { name, floatPath, float: await load(floatPath), int8: await load(int8Path) };
}

const load = async (file: string): Promise<Model> => decodeModel(await readFile(file), file);

function* calibration({ graph }: Model): Generator<Tensor<"float32">> {
  const random = seeded(2);
  for (let sample = 0; sample < 8; sample++) yield smoothPicture(graph.inputs[0]!.shape.slice(1) as number[], random);
}

/** A few waves for each channel: neighbouring pixels are alike, as in pictures. dims: [C, H, W] → [1, C, H, W] in −2 … 2 */
export function smoothPicture(dims: readonly number[], random: Random): Tensor<"float32"> {
  const [channels, height, width] = dims as [number, number, number];
  const values = new Float32Array(elementCount(dims));
  for (let channel = 0; channel < channels; channel++) {
    const waves = Array.from({ length: 4 }, () => [random() * 12, random() * 12, random() * 6.3] as const);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const heights = waves.map(([a, b, phase]) => Math.sin((a * y) / height + (b * x) / width + phase));
        values[(channel * height + y) * width + x] = heights.reduce((sum, value) => sum + value) / 2;
      }
    }
  }
  return float32([1, ...dims], values) as Tensor<"float32">;
}
