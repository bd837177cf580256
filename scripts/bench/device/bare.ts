/** Node with nothing but ONNX Runtime and a session, opened as Lichen opens it: what a daemon's memory is compared with. `bare.js MODEL` */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { sessionOptions } from "../../../runtime/execute/session-options.ts";

const session = await ort.InferenceSession.create(readFileSync(process.argv[2]!), sessionOptions("model"));
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
