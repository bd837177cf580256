import { LichenError } from "../errors.ts";
import type { Graph } from "../onnx/graph.ts";

/**
 * A graph whose input has fixed sizes, but for the batch. What training caches has one size a sample.
 * @param size of the axes that the model leaves open, from the last one backwards: width, height; or the samples of a waveform
 * @throws NO_SHAPE where sizes are open and none are given, BAD_ARGUMENT where they do not go together
 */
export function fixSizes(graph: Graph, size: readonly number[] | undefined): Graph {
  const input = graph.inputs[0]!;
  if (input.shape.length < 2) {
    throw new LichenError("NO_SHAPE", {
      at: `input ${input.name}`,
      found: `[${input.shape.join(", ")}]`,
      wanted: "a batch, and a sample's own sizes behind it",
      todo: "export the model with a batch as its first dimension",
    });
  }
  const open = [...input.shape.keys()].filter((axis) => axis > 0 && !isSize(input.shape[axis]));
  if (size === undefined && open.length === 0) return graph;
  const shown = `input ${input.name} of [${input.shape.join(", ")}]`;
  if (size === undefined) {
    throw new LichenError("NO_SHAPE", {
      at: `input ${input.name}`,
      found: `open sizes: [${input.shape.join(", ")}]`,
      wanted: "sizes that are fixed, but for the batch",
      todo:
        open.length === 1
          ? "say how many with --size, as in --size 16000"
          : "say which with --size, as in --size 224x224",
    });
  }
  const axes = open.length > 0 ? open : [...input.shape.keys()].slice(-size.length);
  const shape = [...input.shape];
  for (const [at, axis] of axes.toReversed().entries()) shape[axis] = size[at] ?? shape[axis]!;
  const differs = open.length === 0 && shape.some((dim, axis) => dim !== input.shape[axis]);
  if (axes.length !== size.length || differs) {
    throw new LichenError("BAD_ARGUMENT", {
      at: "--size",
      found: size.join("x"),
      wanted: `${open.length || "no"} size${open.length === 1 ? "" : "s"}, for ${shown}`,
    });
  }
  return { ...graph, inputs: [{ ...input, shape }] };
}

/** What is below 1 is how some exporters write that a size is open. */
const isSize = (dim: number | string | undefined): boolean => typeof dim === "number" && dim > 0;
