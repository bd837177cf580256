import { LichenError } from "../errors.ts";
import { freshName } from "../normalize/qdq/links.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, Graph, Node, ValueInfo } from "../onnx/graph.ts";
import { operands } from "../onnx/topological.ts";
import type { Note } from "./note.ts";

export const LAYOUTS = ["nchw", "nhwc"] as const;
export type Layout = (typeof LAYOUTS)[number];

/**
 * A graph whose input has its channels first. Where they came last, a Transpose behind the input brings them back there, for
 * `cancelTransposes` to carry to where it meets its inverse.
 * @param layout of the input; found by itself where absent: by a Transpose that the way from the input begins with, or by one or three
 *   channels that come last
 */
export function channelsFirst(graph: Graph, layout: Layout | undefined, note: Note): Graph {
  const input = graph.inputs[0]!;
  if (layout === "nhwc" && input.shape.length !== 4) throw notFourAxes(input);
  const isLast = layout === undefined ? looksChannelsLast(input.shape) || isTransposed(graph) : layout === "nhwc";
  if (input.shape.length !== 4 || !isLast) return graph;
  const [n, h, w, c] = input.shape as [Dim, Dim, Dim, Dim];
  note(`channels came last, as [${input.shape.join(", ")}]: they come first now`);
  return behindTranspose(graph, [n, c, h, w], [0, 2, 3, 1]);
}

/**
 * A graph whose input was taken for one with its channels last, as files of TFLite have them, where they came first in the file: as what
 * PyTorch's own converter writes.
 * @param graph with an input of [N, c, a, b] where the file has [N, a, b, c]
 */
export function channelsFirstInFile(graph: Graph, layout: Layout | undefined, note: Note): Graph {
  const input = graph.inputs[0]!;
  const [n, c, a, b] = input.shape as [Dim, Dim, Dim, Dim];
  const inFile = [n, a, b, c];
  const isFirst = layout === undefined ? (a === 1 || a === 3) && c !== 1 && c !== 3 : layout === "nchw";
  if (input.shape.length !== 4 || !isFirst) return graph;
  note(`channels come first in the file already, as [${inFile.join(", ")}]`);
  return behindTranspose(graph, inFile, [0, 3, 1, 2]);
}

const notFourAxes = ({ name, shape }: ValueInfo) =>
  new LichenError("BAD_ARGUMENT", {
    at: "--layout nhwc",
    found: `input ${name} of [${shape.join(", ")}]`,
    wanted: "an input of four axes",
  });

/** A picture's one or three channels stand last, and nothing that could be channels stands second. */
const looksChannelsLast = ([, second, , last]: readonly Dim[]): boolean =>
  (last === 1 || last === 3) && second !== 1 && second !== 3;

/** What often stands before the first Transpose, and works on each element alone. */
const ELEMENTWISE = new Set(["Cast", "QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Clip"]);
const TO_CHANNELS_FIRST = "0,3,1,2";

function isTransposed(graph: Graph): boolean {
  for (let value = graph.inputs[0]!.name; ; ) {
    const [node, ...others] = graph.nodes.filter((each) => operands(each).includes(value));
    if (!node || others.length > 0) return false;
    if (node.opType === "Transpose") return attribute(node, "perm", "ints", []).join() === TO_CHANNELS_FIRST;
    if (!ELEMENTWISE.has(node.opType)) return false;
    value = node.outputs[0]!;
  }
}

/** The same graph behind an input of another order of axes. */
function behindTranspose(graph: Graph, shape: readonly Dim[], perm: readonly number[]): Graph {
  const input = graph.inputs[0]!;
  const ordered = freshName(graph, `${input.name}_ordered`);
  const transpose: Node = {
    name: ordered,
    opType: "Transpose",
    domain: "",
    inputs: [input.name],
    outputs: [ordered],
    attributes: { perm: { kind: "ints", value: perm } },
  };
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => (value === input.name ? ordered : value)),
  }));
  return { ...graph, inputs: [{ ...input, shape }], nodes: [transpose, ...nodes] };
}
