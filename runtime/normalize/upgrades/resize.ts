import { attribute } from "../../onnx/attributes.ts";
import type { Node, ValueName } from "../../onnx/graph.ts";
import { float32 } from "../../onnx/tensor.ts";
import { text, without } from "../attributes.ts";
import { Refusal } from "../refusal.ts";
import type { Rewrite, RewriteContext } from "../rewriting.ts";

/** Upsample-9 has its scales as an operand. */
export const upsampleFrom7: Rewrite = (node, { builder }) => {
  const scales = attribute(node, "scales", "floats");
  const operand = builder.constant(`${node.name}_scales`, float32([scales.length], scales));
  return { ...node, inputs: [node.inputs[0]!, operand], attributes: without(node, "scales") };
};

/** Upsample is Resize with the first pixel of each in one place, rounding down. */
export const upsampleFrom9: Rewrite = (node) => asymmetric(node, "floor");

/**
 * Resize-10 is Upsample that may also make smaller. The specification leaves the rounding open; ONNX Runtime rounds up where a
 * picture gets smaller (`ResizeNearestMode::SIMPLE` in upsamplebase.h), and models were validated on what it does.
 */
export const resizeFrom10: Rewrite = (node, context) => {
  if (!isNearest(node)) return asymmetric(node, "floor");
  const scales = context.constant(node.inputs[1]!);
  const [grows, shrinks] = [(scale: number) => scale >= 1, (scale: number) => scale <= 1].map((test) =>
    Array.from((scales?.data ?? []) as Float32Array).every(test),
  );
  if (!scales || (!grows && !shrinks)) {
    throw new Refusal("scales that are computed, or grow one axis and shrink another", "export with opset 11 or later");
  }
  return asymmetric(node, grows ? "floor" : "ceil");
};

/** An empty roi, or empty scales beside sizes, are absent operands since Resize-13. */
export const resizeFrom11: Rewrite = (node, { constant }) => {
  if (attribute(node, "coordinate_transformation_mode", "string", "half_pixel") === "tf_half_pixel_for_nn") {
    throw new Refusal("coordinates tf_half_pixel_for_nn", "export with opset 13 or later");
  }
  const cropped = node.attributes.coordinate_transformation_mode?.value === "tf_crop_and_resize";
  const [x, roi = "", ...rest] = node.inputs as [ValueName, ...ValueName[]];
  const sizing = rest.map((name) => (isEmpty(constant, name) ? "" : name));
  return { ...node, inputs: [x, cropped ? roi : "", ...sizing] };
};

const isEmpty = (constant: RewriteContext["constant"], name: ValueName): boolean => constant(name)?.data.length === 0;

const isNearest = (node: Node): boolean => attribute(node, "mode", "string", "nearest") === "nearest";

function asymmetric(node: Node, rounding: "floor" | "ceil"): Node {
  const [x, scales] = node.inputs as [ValueName, ValueName];
  return {
    ...node,
    opType: "Resize",
    inputs: [x, "", scales],
    attributes: {
      mode: text(attribute(node, "mode", "string", "nearest")),
      coordinate_transformation_mode: text("asymmetric"),
      ...(isNearest(node) ? { nearest_mode: text(rounding) } : {}),
    },
  };
}
