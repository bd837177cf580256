import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { Disk } from "../disk/disk.ts";
import type { CatalogueCard } from "./card.ts";

/** @see XDG Base Directory Specification: a relative path there counts as none */
export function defaultCache(env: Readonly<Record<string, string | undefined>>): string {
  const base = env.XDG_CACHE_HOME;
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), ".cache"), "lichen", "models");
}

/** What of a model lies where. */
export interface Places {
  folder: string;
  /** As its publisher made it. */
  file: string;
  /** What was made of it here. */
  package: string;
}

export function placesOf(cache: string, { name, file }: CatalogueCard): Places {
  const folder = join(cache, name);
  return { folder, file: join(folder, file), package: join(folder, "package") };
}

/** Whether the file seems to be there; whoever uses it looks at its sum. */
export const isHere = (disk: Disk, { file }: Places, { bytes }: CatalogueCard): Promise<boolean> =>
  disk.facts(file).then(
    (found) => !found.isFolder && found.bytes === bytes,
    () => false,
  );
