/** Node with nothing but ONNX Runtime and a session, opened as Lichen opens it: what a daemon's memory is compared with. `bare.js MODEL` */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

const session = await ort.InferenceSession.create(readFileSync(process.argv[2]!), {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  enableMemPattern: false,
  logSeverityLevel: 3,
  extra: {
    session: {
      intra_op: { allow_spinning: "0" },
      use_device_allocator_for_initializers: "1",
      qdqisint8allowed: "1",
    },
  },
});
await infer();
process.stdout.write("ready\n");
// An inference whenever a line comes, as the daemon's are asked for one by one.
process.stdin.on("data", () => void infer());

async function infer(): Promise<void> {
  const feeds = session.inputMetadata.map((input) => {
    const dims = input.isTensor ? input.shape.map((dim) => (typeof dim === "number" ? dim : 1)) : [];
    const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
    return [input.name, new ort.Tensor("float32", data, dims)] as const;
  });
  await session.run(Object.fromEntries(feeds));
}
