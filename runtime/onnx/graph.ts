import type { ElementType, Tensor } from "./tensor.ts";

/** The name of a value: a graph input, an initializer, or a node's output. The empty name is an absent operand. */
export type ValueName = string;

/** Fixed sizes are numbers; a size that may vary (only the batch, in Lichen) is its symbol. */
export type Dim = number | string;

export type Attribute =
  | { kind: "int"; value: number }
  | { kind: "float"; value: number }
  | { kind: "string"; value: string }
  | { kind: "ints"; value: readonly number[] }
  | { kind: "floats"; value: readonly number[] }
  | { kind: "strings"; value: readonly string[] }
  | { kind: "tensor"; value: Tensor }
  | { kind: "graph"; value: Graph };

export interface ValueInfo {
  readonly name: ValueName;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

/** Outputs of derived graphs may leave their type to be inferred by whoever loads them. */
export type OutputInfo = Pick<ValueInfo, "name"> & Partial<ValueInfo>;

export interface Node {
  readonly name: string;
  readonly opType: string;
  /** Empty for `ai.onnx`. */
  readonly domain: string;
  readonly inputs: readonly ValueName[];
  readonly outputs: readonly ValueName[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Immutable: a pass returns a new graph. Nodes stand in topological order. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly OutputInfo[];
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<ValueName, Tensor>;
}

export interface Model {
  readonly graph: Graph;
  /** Version of the `ai.onnx` operator set. */
  readonly opset: number;
  /** Other operator sets by domain, such as `com.microsoft`. */
  readonly domains: Readonly<Record<string, number>>;
  readonly irVersion: number;
  readonly metadata: Readonly<Record<string, string>>;
}
