import type { Attribute, Dim, Graph, Model, Node, OutputInfo, ValueInfo, ValueName } from "./graph.ts";
import type { ElementType, Tensor } from "./tensor.ts";

/** What an attribute may be given as; a float must be wrapped, because 1 and 1.0 are one number in JavaScript. */
export type AttributeValue = number | string | readonly number[] | Tensor | Graph | { float: number };

/**
 * Grows a graph node by node, always in topological order. Names that it makes up are unique among all builders that share
 * a scope, since ONNX subgraphs see the names of the graph around them.
 */
export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<ValueName, Tensor>();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: OutputInfo[] = [];
  /** Names that exist, and names that made-up ones keep clear of, in this scope. */
  readonly #defined: Set<string>;
  readonly #reserved: Set<string>;
  /** Below these, all numbers behind a name are taken. */
  readonly #suffixes: Map<string, number>;

  /**
   * @param outer the builder of the surrounding graph, for the body of a Loop
   * @param source a graph that parts will be taken over from, under their own names
   */
  constructor({ outer, source }: { outer?: GraphBuilder; source?: Graph } = {}) {
    this.#defined = outer ? outer.#defined : new Set();
    this.#reserved = outer ? outer.#reserved : new Set();
    this.#suffixes = outer ? outer.#suffixes : new Map();
    for (const node of source?.nodes ?? []) for (const name of [node.name, ...node.outputs]) this.#reserved.add(name);
    for (const name of source?.initializers.keys() ?? []) this.#reserved.add(name);
    for (const { name } of source?.inputs ?? []) this.#reserved.add(name);
  }

  input(name: ValueName, type: ElementType, shape: readonly Dim[]): ValueName {
    this.#inputs.push({ name: this.#claim(name), type, shape });
    return name;
  }

  output(name: ValueName, info: Partial<ValueInfo> = {}): void {
    this.#outputs.push({ ...info, name });
  }

  constant(name: string, value: Tensor): ValueName {
    const unique = this.fresh(name);
    this.#initializers.set(unique, value);
    return unique;
  }

  /** Adds a node with one output and returns that. */
  add(
    opType: string,
    inputs: readonly ValueName[],
    attributes: Record<string, AttributeValue> = {},
    name = opType,
  ): ValueName {
    return this.addMany(opType, inputs, 1, attributes, name)[0]!;
  }

  addMany(
    opType: string,
    inputs: readonly ValueName[],
    outputs: number,
    attributes: Record<string, AttributeValue> = {},
    name = opType,
  ): ValueName[] {
    const unique = this.fresh(name);
    const names =
      outputs === 1 ? [unique] : Array.from({ length: outputs }, (_, index) => this.fresh(`${unique}_${index}`));
    this.#nodes.push({
      name: unique,
      opType,
      domain: "",
      inputs: [...inputs],
      outputs: names,
      attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)])),
    });
    return names;
  }

  /** Gives a value a second name. */
  alias(name: ValueName, value: ValueName): void {
    this.adopt({ name, opType: "Identity", domain: "", inputs: [value], outputs: [name], attributes: {} });
  }

  /** Takes over a node as it is, its outputs' names included. */
  adopt(node: Node): void {
    for (const output of node.outputs) if (output !== "") this.#claim(output);
    this.#nodes.push(node);
  }

  /** Takes over a constant under its own name; a second time is no harm. */
  adoptConstant(name: ValueName, value: Tensor): void {
    if (!this.has(name)) this.#initializers.set(this.#claim(name), value);
  }

  /** Whether a value or node of this name is there already. */
  has(name: string): boolean {
    return this.#defined.has(name);
  }

  build(name: string): Graph {
    return { name, inputs: this.#inputs, outputs: this.#outputs, nodes: this.#nodes, initializers: this.#initializers };
  }

  fresh(name: string): string {
    let unique = name;
    let suffix = this.#suffixes.get(name) ?? 1;
    for (; this.#defined.has(unique) || this.#reserved.has(unique); suffix++) unique = `${name}_${suffix}`;
    this.#suffixes.set(name, suffix);
    return this.#claim(unique);
  }

  #claim(name: string): string {
    this.#defined.add(name);
    return name;
  }
}

function toAttribute(value: AttributeValue): Attribute {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  if (Array.isArray(value)) return { kind: "ints", value: value as readonly number[] };
  const object = value as Tensor | Graph | { float: number };
  if ("float" in object) return { kind: "float", value: object.float };
  return "nodes" in object ? { kind: "graph", value: object } : { kind: "tensor", value: object };
}

/** Operator set and file version of what Lichen writes: read by ONNX Runtime since 1.18. */
export const WRITTEN_OPSET = 21;

export const asModel = (graph: Graph, metadata: Record<string, string> = {}): Model => ({
  graph,
  opset: WRITTEN_OPSET,
  domains: {},
  irVersion: 10,
  metadata,
});
