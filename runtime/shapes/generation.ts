import { attribute } from "../onnx/attributes.ts";
import { axisOf, knownDims, knownNumbers, noShape, operand, type ShapeRule } from "./rule.ts";

/** Operators that make values of shapes and of sizes. */
export const GENERATION = {
  Constant: ({ node }) => {
    const { value, value_float, value_floats, value_int, value_ints } = node.attributes;
    if (value?.kind === "tensor") return { type: value.value.type, shape: value.value.dims };
    const type = value_float || value_floats ? "float32" : "int64";
    const vector = value_floats ?? value_ints;
    if (vector?.kind === "floats" || vector?.kind === "ints") return { type, shape: [vector.value.length] };
    if (value_float || value_int) return { type, shape: [] };
    throw noShape(node, Object.keys(node.attributes).join(", "), "numbers");
  },

  Shape: (context) => {
    const { shape } = operand(context, 0);
    const start = attribute(context.node, "start", "int", 0);
    const end = attribute(context.node, "end", "int", shape.length);
    return { type: "int64", shape: [shape.slice(start, end).length] };
  },

  Size: () => ({ type: "int64", shape: [] }),

  ConstantOfShape: (context) => {
    const value = context.node.attributes.value;
    return { type: value?.kind === "tensor" ? value.value.type : "float32", shape: knownDims(context, 0) ?? [] };
  },

  Range: (context) => {
    const [start, limit, delta] = [0, 1, 2].map((at) => knownNumbers(context, at)?.[0]) as [number, number, number];
    return { type: operand(context, 0).type, shape: [Math.max(Math.ceil((limit - start) / delta), 0)] };
  },

  OneHot: (context) => {
    const { shape } = operand(context, 0);
    const depth = knownNumbers(context, 1)![0]!;
    const axis = axisOf(attribute(context.node, "axis", "int", -1), shape.length + 1, context.node);
    return { type: operand(context, 2).type, shape: shape.toSpliced(axis, 0, depth) };
  },
} satisfies Record<string, ShapeRule>;
