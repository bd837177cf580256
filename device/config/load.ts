import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Document, isMap, isSeq, LineCounter, parseDocument } from "yaml";
import type * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { nearest } from "./nearest.ts";
import {
  type Config,
  ONLY_STATION,
  oneModelSchema,
  type StationConfig,
  severalModelsSchema,
  stationKeys,
  type stationSchema,
} from "./schema.ts";

/** @throws BAD_CONFIG when the file is not there or not valid, naming the line and the field */
export async function loadConfig(path: string): Promise<Config> {
  const file = resolve(path);
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new LichenError("BAD_CONFIG", { at: file, found: cause.code ?? "an error", wanted: "a YAML file", cause });
  });
  return parseConfig(text, file);
}

export interface Checked {
  /** null: a daemon would not start with it. */
  readonly config: Config | null;
  /** Every one, where `loadConfig` throws the first. */
  readonly mistakes: readonly LichenError[];
}

/** What a file says, and what is wrong with it. */
export async function checkConfig(path: string): Promise<Checked> {
  try {
    return { config: await loadConfig(path), mistakes: [] };
  } catch (error) {
    if (!(error instanceof LichenError)) throw error;
    const { cause } = error.details;
    return { config: null, mistakes: cause instanceof Mistakes ? cause.all : [error] };
  }
}

/** All that is wrong with a file, where only the first is thrown. */
class Mistakes extends Error {
  readonly all: readonly LichenError[];
  constructor(all: readonly LichenError[]) {
    super(`${all.length} mistakes`);
    this.all = all;
  }
}

/** @param file absolute; relative paths in the text are relative to its folder.  @throws BAD_CONFIG */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    throw new LichenError("BAD_CONFIG", { at: `${file}:${lines.linePos(syntax.pos[0]).line}`, found: syntax.message });
  }
  const value = plainValue(document, file);
  const isOfSeveral = typeof value === "object" && value !== null && "models" in value;
  const schema = isOfSeveral ? severalModelsSchema : oneModelSchema;
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    // A mistyped key first: the missing one is often its other half.
    const isMistyped = ({ code }: Issue) => code === "unrecognized_keys";
    const issues = parsed.error.issues.toSorted((a, b) => Number(isMistyped(b)) - Number(isMistyped(a)));
    const all = issues.map((issue) => badField(issue, file, document, lines, value, schema));
    throw new LichenError("BAD_CONFIG", { ...all[0]!.details, cause: new Mistakes(all) });
  }
  return absolute(parsed.data, dirname(file));
}

type FileConfig = z.output<typeof oneModelSchema> | z.output<typeof severalModelsSchema>;

/** @param base what relative paths are relative to */
function absolute(config: FileConfig, base: string): Config {
  const data = resolve(base, config.data);
  const { device, http, results, mqtt, governor, log, metrics } = config;
  const socket = config.socket === undefined ? join(data, "lichend.sock") : resolve(base, config.socket);
  const stations =
    "models" in config
      ? Object.entries(config.models).map(([name, model]) => station(model, name, join(data, name), base))
      : [station(stationKeys(config), ONLY_STATION, data, base)];
  return {
    device,
    data,
    socket,
    governor,
    log,
    ...(metrics && { metrics }),
    ...(http && { http }),
    ...(results && { results }),
    ...(mqtt && { mqtt }),
    stations,
  };
}

function station(
  { model, watch, sources, ...others }: z.output<typeof stationSchema>,
  name: string,
  data: string,
  base: string,
): StationConfig {
  return {
    ...others,
    name,
    data,
    model: resolve(base, model),
    workingFolder: base,
    sources: sources.map((source) =>
      source.kind === "folder" ? { ...source, folder: resolve(base, source.folder) } : source,
    ),
    ...(watch && { watch: { ...watch, folder: resolve(base, watch.folder) } }),
  };
}

function plainValue(document: Document, file: string): unknown {
  try {
    return document.contents === null ? {} : document.toJS();
  } catch (cause) {
    throw new LichenError("BAD_CONFIG", { at: file, found: `${cause}`, cause });
  }
}

type Issue = z.core.$ZodIssue;

function badField(
  issue: Issue,
  file: string,
  document: Document,
  lines: LineCounter,
  value: unknown,
  schema: z.ZodType,
): LichenError {
  const unknownKey = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const path = [...issue.path.map(String), ...(unknownKey === undefined ? [] : [unknownKey])];
  const line = lineOf(document, lines, path);
  const at = `${file}${line === undefined ? "" : `:${line}`}: ${path.join(".") || "the whole file"}`;
  if (unknownKey !== undefined) {
    const known = knownKeys(schema, issue.path.map(String), value);
    const suggestion = nearest(unknownKey, known);
    return new LichenError("BAD_CONFIG", {
      at,
      found: "an unknown key",
      wanted: suggestion === undefined ? `one of ${known.join(", ")}` : `${suggestion}, perhaps`,
    });
  }
  return new LichenError("BAD_CONFIG", {
    at,
    found: describe(valueAt(value, path)),
    wanted: issue.message.replace(/^Invalid input: expected /, "").replace(/, received .*/, ""),
  });
}

/** The line of the deepest part of a path that stands in the file. */
function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number | undefined {
  let node: unknown = document.contents;
  let line: number | undefined;
  for (const key of path) {
    if (isSeq(node)) {
      node = node.items[Number(key)];
      const range = (node as { range?: [number, number, number] } | undefined)?.range;
      if (range !== undefined) line = lines.linePos(range[0]).line;
      continue;
    }
    if (!isMap(node)) break;
    const pair = node.items.find((item) => String(item.key) === key);
    if (pair === undefined) break;
    const range = (pair.key as { range?: [number, number, number] }).range;
    if (range !== undefined) line = lines.linePos(range[0]).line;
    node = pair.value;
  }
  return line;
}

/** @param value what the whole file says: of a choice of objects, it tells which one is meant */
function knownKeys(schema: unknown, path: readonly string[], value: unknown): string[] {
  const at = path.reduce<unknown>(
    (inner, key, depth) => under(inner, key, valueAt(value, path.slice(0, depth))),
    schema,
  );
  return Object.keys(shapeOf(at, valueAt(value, path)));
}

/** What lies under a key of an object's schema, or under any key of a record's or a list's. */
function under(schema: unknown, key: string, value: unknown): unknown {
  const { valueType, element } = bare(schema);
  return valueType ?? element ?? shapeOf(schema, value)[key];
}

/** The fields of an object schema; of a choice, those of the one that the value is, by its `kind`. */
function shapeOf(schema: unknown, value: unknown): Record<string, unknown> {
  const { shape, options } = bare(schema);
  const kind = (value as { kind?: unknown } | null | undefined)?.kind;
  const chosen = options?.map((option) => bare(option).shape).find((fields) => bare(fields?.kind).value === kind);
  return shape ?? chosen ?? {};
}

interface Described {
  readonly shape?: Record<string, unknown>;
  readonly options?: readonly unknown[];
  readonly valueType?: unknown;
  readonly element?: unknown;
  /** Of a literal. */
  readonly value?: unknown;
}

/** A schema, however optional or defaulted it is. */
function bare(schema: unknown): Described {
  const wrapped = (schema ?? {}) as Described & { unwrap?: () => unknown };
  return wrapped.unwrap === undefined || wrapped.element !== undefined ? wrapped : bare(wrapped.unwrap());
}

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | null | undefined)?.[key], value);

const describe = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));
