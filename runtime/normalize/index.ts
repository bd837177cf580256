import { LichenError } from "../errors.ts";
import { asModel } from "../onnx/builder.ts";
import type { Model } from "../onnx/graph.ts";
import { prune } from "../passes/prune.ts";
import { settleConstants } from "./constants.ts";
import { uniformQuantizers } from "./qdq/index.ts";
import { rewriteGraph } from "./rewriting.ts";
import { ruleFor } from "./rules.ts";

/** Before 7, operators broadcast by attributes; after 24, nobody has read the changes yet. */
const OLDEST_OPSET = 7;
const NEWEST_OPSET = 24;

/**
 * Any model of opset 7 to 24, float, QDQ or QOperator, in the one form that the rest of the engine reads: standard operators as
 * opset 21 knows them, constants as initializers, quantized layers as in `qdq/index.ts`. A model in that form stays as it is.
 * The numbers it computes stay the same, but where `qdq/` says so.
 * @throws UNSUPPORTED_OPERATOR naming every node that has no such form, all at once
 */
export function normalizeModel(model: Model): Model {
  if (model.opset < OLDEST_OPSET || model.opset > NEWEST_OPSET) {
    throw new LichenError("UNSUPPORTED_OPERATOR", {
      at: `graph ${model.graph.name}`,
      found: `opset ${model.opset}`,
      wanted: `opset ${OLDEST_OPSET} to ${NEWEST_OPSET}`,
      todo: `export the model with an opset from ${OLDEST_OPSET} to ${NEWEST_OPSET}`,
    });
  }
  const settled = settleConstants(model.graph);
  const standard = settleConstants(rewriteGraph(settled, (node) => ruleFor(node, model.opset)));
  return asModel(prune(uniformQuantizers(standard)), { ...model.metadata });
}
