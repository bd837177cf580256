import type { InferenceSession } from "onnxruntime-node";

export interface SessionOptions {
  /** Threads of one operator; 1 leaves the other cores to the device's own work. */
  threads?: number;
  /** Where ONNX Runtime writes the graph it really runs; for tests that look at fusion. */
  optimizedModelPath?: string;
}

/**
 * Optimizers of ONNX Runtime that change what a graph computes. Padding with zeros is not the padding of a MaxPool, which is −∞, but
 * Pad_Fusion takes it for that. Of two quantizations one behind the other DoubleQDQPairsRemover makes one of a scale in between. A derived
 * graph also means its constants as they stand: real weights that were folded for the kernels would be quantized anew.
 */
const UNWANTED = {
  model: ["Pad_Fusion", "DoubleQDQPairsRemover"],
  derived: ["Pad_Fusion", "DoubleQDQPairsRemover", "WeightBiasQuantization"],
} as const;

/** How ONNX Runtime is to run a graph: one that came as a file, or one that was derived here. */
export const sessionOptions = (
  graph: keyof typeof UNWANTED,
  { threads = 1, optimizedModelPath }: SessionOptions = {},
): InferenceSession.SessionOptions => ({
  executionProviders: ["cpu"],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  // The last level lays channels out as the kernels like them: int8 convolutions gain a fifth, float ones half. Integer
  // arithmetic is exact in any layout; float sums differ between machines anyway.
  graphOptimizationLevel: "all",
  // A plan of all buffers would be made in the first run and allocated beside what that run has allocated: twice the memory,
  // and no run of these graphs was measurably faster for it.
  enableMemPattern: false,
  logSeverityLevel: 3,
  ...(optimizedModelPath ? { optimizedModelFilePath: optimizedModelPath } : {}),
  // Idle threads that spin would take the cores from inference and from the sensor.
  // Constants apart from the arena: those that are packed into another form are given back, not kept as holes in it.
  extra: {
    session: {
      intra_op: { allow_spinning: "0" },
      use_device_allocator_for_initializers: "1",
      // On x64, int8 activations would be made uint8; ONNX Runtime 1.30 then refuses its own QuantizeLinear behind a Reshape.
      qdqisint8allowed: "1",
    },
    optimization: { disable_specified_optimizers: UNWANTED[graph].join(";") },
  },
});
