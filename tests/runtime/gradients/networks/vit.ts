import type { ValueName } from "../../../../runtime/onnx/graph.ts";
import { float32, int64, tensor } from "../../../../runtime/onnx/tensor.ts";
import type { NetworkBuilder, NetworkDefinition } from "./network.ts";

const [WIDTH, HEADS, PATCHES] = [8, 2, 4];
const PER_HEAD = WIDTH / HEADS;

/** A vision transformer of two layers. @see Dosovitskiy et al. 2020, arXiv:2010.11929 */
export const vit: NetworkDefinition = (network, x) => {
  const patches = network.conv(x, "patch_embed", { strides: [4, 4] });
  const rows = network.add("Reshape", [patches, network.constant(int64([0, WIDTH, PATCHES]))]);
  const tokens = network.add("Transpose", [rows], { perm: [0, 2, 1] });
  const all = network.add("Concat", [classToken(network, x), tokens], { axis: 1 });
  const placed = network.add("Add", [all, "pos_embed"]);
  const last = ["blocks.0", "blocks.1"].reduce((value, name) => layer(network, value, name), placed);
  const first = network.constant(tensor("int64", [], BigInt64Array.of(0n)));
  return network.gemm(network.add("Gather", [network.layerNorm(last, "norm"), first], { axis: 1 }), "head");
};

/** One for each sample: [1, 1, D] → [N, 1, D] */
function classToken(network: NetworkBuilder, x: ValueName): ValueName {
  const batch = network.add("Gather", [network.add("Shape", [x]), network.constant(int64([0]))]);
  const shape = network.add("Concat", [batch, network.constant(int64([1, WIDTH]))], { axis: 0 });
  return network.add("Expand", ["cls_token", shape]);
}

function layer(network: NetworkBuilder, x: ValueName, name: string): ValueName {
  const attended = attention(network, network.layerNorm(x, `${name}.norm1`), `${name}.attn`);
  const middle = network.add("Add", [x, attended]);
  const hidden = network.linear(network.layerNorm(middle, `${name}.norm2`), `${name}.fc1`);
  return network.add("Add", [middle, network.linear(network.add("Gelu", [hidden]), `${name}.fc2`)]);
}

/** x: [N, T, D] → q, k, v: [N, H, T, D/H] → [N, T, D] */
function attention(network: NetworkBuilder, x: ValueName, name: string): ValueName {
  const tokens = PATCHES + 1;
  const split = network.constant(int64([0, tokens, 3, HEADS, PER_HEAD]));
  const qkv = network.add("Transpose", [network.add("Reshape", [network.linear(x, `${name}.qkv`), split])], {
    perm: [2, 0, 3, 1, 4],
  });
  const [q, k, v] = network.b
    .addMany("Split", [qkv], 3, { axis: 0, num_outputs: 3 })
    .map((part) => network.add("Squeeze", [part, network.constant(int64([0]))]));
  const keys = network.add("Transpose", [k!], { perm: [0, 1, 3, 2] });
  const scale = network.constant(float32([], [1 / Math.sqrt(PER_HEAD)]));
  const scores = network.add("Mul", [network.add("MatMul", [q!, keys]), scale]);
  const seen = network.add("MatMul", [network.add("Softmax", [scores], { axis: -1 }), v!]);
  const joined = network.add("Transpose", [seen], { perm: [0, 2, 1, 3] });
  const merged = network.add("Reshape", [joined, network.constant(int64([0, tokens, WIDTH]))]);
  return network.linear(merged, `${name}.proj`);
}
