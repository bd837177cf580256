import { dirname } from "node:path";
import type * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { type Disk, isMissing } from "./disk.ts";
import { writeDurably } from "./durable.ts";
import { makeFolder } from "./folder.ts";

/** What a load found out about damage; it is to be told, not swallowed. */
export interface Loaded<T> {
  readonly value: T;
  /** STATE_CORRUPT errors, the damaged files set aside under the names they give. */
  readonly damage: readonly LichenError[];
}

export interface StateFile<T> {
  /** Never throws for damage: a board must start. @throws what the disk throws otherwise */
  load(): Promise<Loaded<T>>;
  /** @throws STORAGE_FAILED; the old value then still stands. */
  save(value: T): Promise<void>;
}

/**
 * A small value kept in a JSON file, with the value before it in a second file, so that damage to one (a worn SD card)
 * costs one step and not everything. Damaged files are set aside, never overwritten.
 */
export function stateFile<T>(disk: Disk, path: string, schema: z.ZodType<T>, fresh: T): StateFile<T> {
  const previousPath = path.replace(/\.json$/, ".previous.json");
  let stored: Uint8Array | undefined;

  async function readOne(file: string, damage: LichenError[]): Promise<T | undefined> {
    let bytes: Uint8Array;
    try {
      bytes = await disk.read(file);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const json = parsedJson(bytes);
    const { success, data, error: cause } = schema.safeParse(json);
    if (success) {
      stored ??= bytes;
      return data;
    }
    const isForeign = isOfAnotherVersion(json, cause);
    const aside = isForeign ? `${file}.other-version` : `${file}.damaged`;
    const found = `${isForeign ? `format ${json.format} with what this version does not know` : "damage"}, kept as ${aside}`;
    damage.push(new LichenError(isForeign ? "STATE_NEWER" : "STATE_CORRUPT", { at: file, found, cause }));
    // On a disk that takes nothing it stays where it is, and is found again.
    await disk.rename(file, aside).catch(() => undefined);
    return undefined;
  }

  return {
    async load() {
      const damage: LichenError[] = [];
      const value = (await readOne(path, damage)) ?? (await readOne(previousPath, damage));
      return { value: value ?? fresh, damage };
    },
    async save(value) {
      const bytes = new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
      await makeFolder(disk, dirname(path));
      if (stored !== undefined) await writeDurably(disk, previousPath, stored);
      await writeDurably(disk, path, bytes);
      stored = bytes;
    },
  };
}

/** undefined: no JSON at all */
function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** Whole, but of another format, or with fields that came later: what a newer version leaves behind when a board goes back. */
function isOfAnotherVersion(json: unknown, { issues }: z.ZodError): json is { readonly format: number } {
  const format = (json as { format?: unknown } | null | undefined)?.format;
  if (!Number.isInteger(format)) return false;
  return issues.some(({ code, path }) => code === "unrecognized_keys" || (path.length === 1 && path[0] === "format"));
}
