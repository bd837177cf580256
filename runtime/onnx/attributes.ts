import { LichenError } from "../errors.ts";
import type { Attribute, Node } from "./graph.ts";

type Value<K extends Attribute["kind"]> = Extract<Attribute, { kind: K }>["value"];

/**
 * A node's attribute, or its default from the ONNX specification.
 * @throws BAD_ATTRIBUTE when it is there but of another kind, or absent without a default.
 */
export function attribute<K extends Attribute["kind"]>(
  node: Node,
  name: string,
  kind: K,
  fallback?: Value<K>,
): Value<K> {
  const found = node.attributes[name];
  if (found?.kind === kind) return found.value as Value<K>;
  if (found === undefined && fallback !== undefined) return fallback;
  throw new LichenError("BAD_ATTRIBUTE", {
    at: `${node.opType} ${node.name}: ${name}`,
    found: found?.kind ?? "nothing",
    wanted: kind,
  });
}
