import type { Node } from "../onnx/graph.ts";
import { FUSED } from "./contrib/fused.ts";
import { CONTRIB_QUANTIZED, QUANTIZED } from "./contrib/quantized.ts";
import { Refusal } from "./refusal.ts";
import type { Rewrite } from "./rewriting.ts";
import { UPGRADES, type Upgrade } from "./upgrades/index.ts";

/** What brings a node to opset 21. Most nodes stay as they are. */
export function ruleFor(node: Node, opset: number): Rewrite {
  if (node.domain === "com.microsoft") return own(CONTRIB, node.opType) ?? foreign;
  if (node.domain !== "") return foreign;
  const operator = own(QUANTIZED, node.opType);
  if (operator) return operator;
  const due = (own(UPGRADES, node.opType) ?? []).filter(({ below }) => opset < below);
  // Each upgrade takes the node one version on.
  return (original, context) =>
    due.reduce((current: Node, { rewrite }: Upgrade) => rewrite(current, context), original);
}

const CONTRIB: Readonly<Record<string, Rewrite>> = { ...FUSED, ...CONTRIB_QUANTIZED };

const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

const foreign: Rewrite = () => {
  throw new Refusal("", "export the model in standard operators, before any optimizer of a runtime has rewritten it");
};
