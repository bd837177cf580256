import { LichenError } from "../errors.ts";
import { GraphBuilder } from "../onnx/builder.ts";
import type { Dim, Graph, Node, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { operands } from "../onnx/topological.ts";
import { constantType, inferNode, inferTypes } from "../shapes/infer.ts";
import type { ValueType } from "../shapes/rule.ts";
import { mapBodies } from "./bodies.ts";
import { Refusal } from "./refusal.ts";

/**
 * One node in another form. What it needs before itself it adds through `builder`; what it returns stands in the old node's place,
 * under the old node's name, and writes the old node's outputs (or hands them to a node that it adds).
 */
export type Rewrite = (node: Node, context: RewriteContext) => Node;

/** What a rewrite may know. All that comes before its node is rewritten already. */
export interface RewriteContext {
  /** Grows the new graph. */
  readonly builder: GraphBuilder;
  /** The constant behind a name; `undefined` for what is computed. */
  constant(value: ValueName): Tensor | undefined;
  /** The shape, where it can be inferred. */
  shape(value: ValueName): readonly Dim[] | undefined;
  /** Whether anything depends on a value. */
  isRead(value: ValueName): boolean;
}

/**
 * A graph with every node put through its rule, subgraphs included.
 * @throws UNSUPPORTED_OPERATOR with all that the rules refuse
 */
export function rewriteGraph(graph: Graph, ruleFor: (node: Node) => Rewrite): Graph {
  const refusals: Refused[] = [];
  const rewritten = rewriteScope(graph, { ruleFor, refusals, constants: new Map(), builder: undefined });
  if (refusals.length > 0) throw unsupported(graph, refusals);
  return rewritten;
}

interface Refused {
  node: Node;
  refusal: Refusal;
}

interface Scope {
  ruleFor: (node: Node) => Rewrite;
  refusals: Refused[];
  /** Constants of the graphs around. */
  constants: ReadonlyMap<ValueName, Tensor>;
  builder: GraphBuilder | undefined;
}

function rewriteScope(graph: Graph, outer: Scope): Graph {
  const builder = new GraphBuilder({ ...(outer.builder ? { outer: outer.builder } : {}), source: graph });
  const constants = new Map([...outer.constants, ...graph.initializers]);
  const read = new Set([...graph.nodes.flatMap(operands), ...graph.outputs.map(({ name }) => name)]);
  const context: RewriteContext = {
    builder,
    constant: (value) => constants.get(value),
    shape: shapesOf(graph, builder),
    isRead: (value) => read.has(value),
  };
  for (const original of graph.nodes) {
    const node = mapBodies(original, (body) => rewriteScope(body, { ...outer, constants, builder }));
    try {
      builder.adopt(outer.ruleFor(node)(node, context));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      outer.refusals.push({ node, refusal });
      builder.adopt(node); // to find all that is wrong, not only the first
    }
  }
  const { nodes, initializers } = builder.build(graph.name);
  // Not by the builder: both branches of an If may use one name for two constants.
  return { ...graph, nodes, initializers: new Map([...graph.initializers, ...initializers]) };
}

/** Shapes of what the builder holds so far, where they can be inferred; each node is looked at once, when somebody first asks. */
function shapesOf(graph: Graph, builder: GraphBuilder): RewriteContext["shape"] {
  const known = new Map<ValueName, ValueType>();
  let seen = -1;
  return (value) => {
    if (seen < 0) for (const [name, type] of inferTypes({ ...graph, nodes: [] })) known.set(name, type);
    seen = Math.max(seen, 0);
    const { nodes, initializers } = builder.build(graph.name);
    for (; seen < nodes.length; seen++) {
      const node = nodes[seen]!;
      for (const name of node.inputs) {
        const constant = known.has(name) ? undefined : initializers.get(name);
        if (constant) known.set(name, constantType(constant));
      }
      try {
        inferNode(node, known);
      } catch (error) {
        if (!(error instanceof LichenError)) throw error; // an operator without a shape rule, or behind one
      }
    }
    return known.get(value)?.shape;
  };
}

function unsupported(graph: Graph, refusals: readonly Refused[]): LichenError {
  const todos = [...new Set(refusals.map(({ refusal }) => refusal.todo))];
  return new LichenError("UNSUPPORTED_OPERATOR", {
    at: `graph ${graph.name}`,
    found: refusals
      .map(({ node, refusal }) => `${operatorOf(node)} ${node.name}${refusal.found ? ` (${refusal.found})` : ""}`)
      .join(", "),
    todo: todos.join("; "),
  });
}

/** As people write it: `com.microsoft.Attention`. */
const operatorOf = (node: Node): string => [node.domain, node.opType].filter(Boolean).join(".");
