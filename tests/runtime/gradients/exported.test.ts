import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../../runtime/adapter/safetensors.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { normalizeModel } from "../../../runtime/normalize/index.ts";
import { GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Dim, Graph } from "../../../runtime/onnx/graph.ts";
import { inferTypes, type ValueTypes } from "../../../runtime/shapes/infer.ts";
import { relativeError, runCase } from "./case.ts";

const file = (name: string) => readFileSync(new URL(`exported/${name}`, import.meta.url));

/** Attention in windows counts sixteen of them to a sample; the autoencoder slices, pads, and grows by sizes that it computes. */
describe.each(["windows", "autoencoder"])("%s, whose shapes are computed in the graph from an open batch", (name) => {
  const { graph } = normalizeModel(decodeModel(file(`${name}.onnx`), name));
  const types = inferTypes(graph);
  const reference = decodeSafetensors(file(`${name}.safetensors`), name).tensors;

  it("has every shape that ONNX Runtime finds", async () => {
    const names = graph.nodes.flatMap((node) => node.outputs).filter((output) => output !== "");
    const results = await runCase(
      { ...graph, outputs: names.map((output) => ({ name: output })) },
      { x: reference.get("x")! },
    );
    const inferred = names.map((output) => withBatch(types.get(output)!.shape, 3));
    expect(Object.fromEntries(names.map((output, at) => [output, inferred[at]]))).toEqual(
      Object.fromEntries(names.map((output) => [output, [...results[output]!.dims]])),
    );
  });

  it("has PyTorch's gradients, to 1e-5", async () => {
    // The exporter, or folding, keeps some matrices only as their transposes.
    const read = new Set(graph.nodes.flatMap((node) => node.inputs));
    const parameters = [...graph.initializers.keys()].filter((key) => read.has(key) && reference.has(`d_${key}`));
    expect(parameters.length).toBeGreaterThan(5);
    const feeds = { x: reference.get("x")!, dy: reference.get("dy")! };
    const results = await runCase(withGradients(graph, types, parameters), feeds);
    expect(relativeError(results.y!, reference.get("y")!)).toBeLessThan(1e-5);
    const errors = parameters.map(
      (key) => [key, relativeError(results[`d_${key}`]!, reference.get(`d_${key}`)!)] as const,
    );
    expect(errors.filter(([, error]) => error > 1e-5)).toEqual([]);
  });
});

function withGradients(graph: Graph, types: ValueTypes, parameters: readonly string[]): Graph {
  const b = new GraphBuilder({ source: graph });
  for (const { name, type, shape } of graph.inputs) b.input(name, type, shape);
  for (const [name, value] of graph.initializers) b.adoptConstant(name, value);
  for (const node of graph.nodes) b.adopt(node);
  const dy = b.input("dy", "float32", types.get("y")!.shape);
  const seeds = new Map([["y", dy]]);
  const gradients = backward(b, { nodes: graph.nodes, type: (name) => types.get(name)!, seeds, wanted: parameters });
  b.output("y");
  for (const [name, gradient] of gradients) {
    b.alias(`d_${name}`, gradient);
    b.output(`d_${name}`);
  }
  return b.build(graph.name);
}

/** 16*N → 16·batch */
const withBatch = (shape: readonly Dim[], batch: number): number[] =>
  shape.map((dim) => `${dim}`.split("*").reduce((product, part) => product * (part === "N" ? batch : Number(part)), 1));
