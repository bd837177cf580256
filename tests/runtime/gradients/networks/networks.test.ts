import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { normalizeModel } from "../../../../runtime/normalize/index.ts";
import { decodeModel } from "../../../../runtime/onnx/decode.ts";
import type { ValueName } from "../../../../runtime/onnx/graph.ts";
import { float32, type Tensor } from "../../../../runtime/onnx/tensor.ts";
import { depthwise } from "./depthwise.ts";
import { encoderDecoder } from "./encoder-decoder.ts";
import { largest, networkErrors, networkGraph, readReference } from "./network.ts";
import { residual } from "./residual.ts";
import { squeezeExcite } from "./squeeze-excite.ts";
import { vit } from "./vit.ts";

const NETWORKS = { depthwise, residual, "squeeze-excite": squeezeExcite, vit, "encoder-decoder": encoderDecoder };

/** Issue 3 asks for 1e-3; float32, against PyTorch's float64, leaves less than 1e-6 of it. */
const TOLERANCE = 1e-5;

describe("the gradients of all parameters and of the input are PyTorch's, to 1e-5", () => {
  it.each(Object.entries(NETWORKS))("of %s", async (name, define) => {
    const reference = readReference(name);
    const errors = await networkErrors(networkGraph(define, reference), reference);
    expect(largest(errors)[1], largest(errors)[0]).toBeLessThan(TOLERANCE);
  });

  it.each(["vit-opset17", "vit-opset13", "windows-opset17"])("of %s, as PyTorch exports it", async (name) => {
    const { graph } = normalizeModel(decodeModel(readFileSync(new URL(`${name}.onnx`, import.meta.url)), name));
    const reference = asExported(readReference(name.replace(/-opset.*/, "")), graph.initializers);
    const errors = await networkErrors(graph, reference);
    expect(largest(errors)[1], largest(errors)[0]).toBeLessThan(TOLERANCE);
  });
});

/** The reference with the exporter's names and shapes: it transposes matrices, and gives axes to what it broadcasts. */
function asExported(
  reference: ReadonlyMap<string, Tensor>,
  constants: ReadonlyMap<ValueName, Tensor>,
): ReadonlyMap<string, Tensor> {
  return new Map(
    [...reference].map(([name, value]): [string, Tensor] => {
      const parameter = name.startsWith("d/") ? name.slice(2) : name;
      if (parameter === "x" || !reference.has(`d/${parameter}`) || constants.has(parameter)) return [name, value];
      const wanted = exported(reference.get(parameter)!);
      const found = [...constants].find(([, { data }]) => isDeepStrictEqual(data, wanted.data));
      if (!found) throw new Error(`${parameter} is not in the exported model`);
      return [name.replace(parameter, found[0]), { ...exported(value), dims: found[1].dims }];
    }),
  );
}

function exported(value: Tensor): Tensor {
  if (value.dims.length !== 2) return value;
  const { dims, data } = value;
  const [rows, columns] = dims as [number, number];
  return float32(
    [columns, rows],
    Array.from(data as Float32Array, (_, at) => data[(at % rows) * columns + Math.floor(at / rows)] as number),
  );
}
