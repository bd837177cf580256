import * as ort from "onnxruntime-node";
import { LichenError } from "../errors.ts";
import { encodeModel } from "../onnx/encode.ts";
import type { Model } from "../onnx/graph.ts";
import type { ElementArray, ElementType, Tensor } from "../onnx/tensor.ts";

export interface SessionOptions {
  /** Threads of one operator; 1 leaves the other cores to the device's own work. */
  threads?: number;
  /** Where ONNX Runtime writes the graph it really runs; for tests that look at fusion. */
  optimizedModelPath?: string;
}

export type Tensors = Readonly<Record<string, Tensor>>;

/** A graph loaded into ONNX Runtime. Runs block the calling thread for as long as they take. */
export interface Session {
  run(inputs: Tensors, outputs?: readonly string[]): Promise<Record<string, Tensor>>;
  close(): Promise<void>;
}

/**
 * Optimizers of ONNX Runtime that change what a graph computes. Padding with zeros is not the padding of a MaxPool, which is −∞, but
 * Pad_Fusion takes it for that. Of two quantizations one behind the other DoubleQDQPairsRemover makes one of a scale in between. A derived
 * graph also means its constants as they stand: real weights that were folded for the kernels would be quantized anew.
 */
const unwanted = (model: Model | Uint8Array): string[] => [
  "Pad_Fusion",
  "DoubleQDQPairsRemover",
  ...(model instanceof Uint8Array ? [] : ["WeightBiasQuantization"]),
];

/** @throws MODEL_CORRUPT when ONNX Runtime refuses the graph. */
export async function openSession(model: Model | Uint8Array, options: SessionOptions = {}): Promise<Session> {
  const bytes = model instanceof Uint8Array ? model : encodeModel(model);
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, {
      executionProviders: ["cpu"],
      intraOpNumThreads: options.threads ?? 1,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // The last level lays channels out as the kernels like them: int8 convolutions gain a fifth, float ones half. Integer
      // arithmetic is exact in any layout; float sums differ between machines anyway.
      graphOptimizationLevel: "all",
      // A plan of all buffers would be made in the first run and allocated beside what that run has allocated: twice the memory,
      // and no run of these graphs was measurably faster for it.
      enableMemPattern: false,
      logSeverityLevel: 3,
      ...(options.optimizedModelPath ? { optimizedModelFilePath: options.optimizedModelPath } : {}),
      // Idle threads that spin would take the cores from inference and from the sensor.
      // Constants apart from the arena: those that are packed into another form are given back, not kept as holes in it.
      extra: {
        session: {
          intra_op: { allow_spinning: "0" },
          use_device_allocator_for_initializers: "1",
          // On x64, int8 activations would be made uint8; ONNX Runtime 1.30 then refuses its own QuantizeLinear behind a Reshape.
          qdqisint8allowed: "1",
        },
        optimization: { disable_specified_optimizers: unwanted(model).join(";") },
      },
    });
  } catch (cause) {
    throw new LichenError("MODEL_CORRUPT", { found: String(cause instanceof Error ? cause.message : cause), cause });
  }
  return {
    async run(inputs, outputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, toOrt(value)]));
      const results = outputs ? await session.run(feeds, outputs) : await session.run(feeds);
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(value)]));
    },
    close: () => session.release(),
  };
}

const toOrt = (value: Tensor): ort.Tensor =>
  new ort.Tensor(value.type, value.data as ort.Tensor["data"] & ElementArray, value.dims);

const fromOrt = (value: ort.Tensor): Tensor => ({
  type: value.type as ElementType,
  dims: value.dims,
  data: value.data as ElementArray,
});
