import * as z from "zod";
import { oneModelSchema } from "./schema.ts";

/** One key of the configuration, as the schema itself describes it. */
export interface Key {
  /** `training.minNewSamples`; of a list, `sources[].kind`. */
  readonly name: string;
  /** In words: `whole number, 1 or more`, `one of text, json`. */
  readonly type: string;
  /** undefined: there is none. */
  readonly default: unknown;
  readonly isRequired: boolean;
  readonly meaning: string;
}

/** What of JSON Schema the configuration's schemas come out as. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | false;
  readonly items?: Node;
  readonly prefixItems?: readonly Node[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** The configuration as a JSON Schema, for editors that help with YAML. */
export const configJsonSchema = (): object => z.toJSONSchema(oneModelSchema, { io: "input", unrepresentable: "any" });

/** Every key of a board with one model, section by section. With several, those of a model stand below `models.NAME`. */
export const configKeys = (): readonly Key[] => keysOf(configJsonSchema() as Node, "");

function keysOf(node: Node, prefix: string): Key[] {
  const { properties = {}, required = [] } = node;
  return Object.entries(properties).flatMap(([name, child]) => {
    const full = `${prefix}${name}`;
    const own: Key = {
      name: full,
      type: typeOf(child),
      default: child.default,
      isRequired: required.includes(name) && child.default === undefined,
      meaning: child.description ?? "",
    };
    return [own, ...below(child, full)];
  });
}

/** What stands below a key: sections, and the entries of lists. */
function below(node: Node, name: string): Key[] {
  if (node.properties !== undefined) return keysOf(node, `${name}.`);
  const entry = node.items;
  if (entry === undefined) return [];
  const kinds = entry.oneOf ?? entry.anyOf ?? [entry];
  const keys = kinds.flatMap((kind) => keysOf(kind, `${name}[${kindOf(kind)}].`));
  return keys.filter((key, at) => keys.findIndex((other) => other.name === key.name) === at);
}

/** Of entries that differ by their `kind`, which one. */
const kindOf = ({ properties }: Node): string => {
  const kind = properties?.kind?.const;
  return kind === undefined ? "" : String(kind);
};

function typeOf(node: Node): string {
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.join(", ")}`;
  const choices = node.oneOf ?? node.anyOf;
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(" or ");
  switch (node.type) {
    case "object":
      return "section";
    case "array":
      return "list";
    case "boolean":
      return "true or false";
    case "integer":
      return `whole number${range(node)}`;
    case "number":
      return `number${range(node)}`;
    default:
      return "text";
  }
}

function range({ minimum, maximum, exclusiveMinimum }: Node): string {
  const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  const least = exclusiveMinimum === undefined ? minimum : undefined;
  if (least !== undefined && least > Number.MIN_SAFE_INTEGER) {
    return isBounded ? `, ${least} to ${maximum}` : `, ${least} or more`;
  }
  const above = exclusiveMinimum === undefined ? "" : `, above ${exclusiveMinimum}`;
  return `${above}${isBounded ? `, at most ${maximum}` : ""}`;
}
