import { LichenError } from "../errors.ts";
import { attribute } from "../onnx/attributes.ts";
import type { Dim, Graph, Node, ValueInfo } from "../onnx/graph.ts";
import { operands } from "../onnx/topological.ts";
import { freshName } from "./names.ts";
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
  return behindTranspose({ ...graph, inputs: [{ ...input, shape: [n, c, h, w] }] });
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

function behindTranspose(graph: Graph): Graph {
  const { name } = graph.inputs[0]!;
  const restored = freshName(graph, `${name}_channels_last`);
  const transpose: Node = {
    name: restored,
    opType: "Transpose",
    domain: "",
    inputs: [name],
    outputs: [restored],
    attributes: { perm: { kind: "ints", value: [0, 2, 3, 1] } },
  };
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => (value === name ? restored : value)),
  }));
  return { ...graph, nodes: [transpose, ...nodes] };
}
