import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { LichenError } from "../../runtime/errors.ts";
import { nearest } from "../config/nearest.ts";
import { packageRoot } from "../package-root.ts";
import { type CatalogueCard, parseCatalogueCard } from "./card.ts";
import type { OwnPackage } from "./own.ts";

export const catalogueFolder = (): string => join(packageRoot(), "models", "catalogue");

/** All cards, by name. @throws BAD_CARD */
export async function readCatalogue(folder = catalogueFolder()): Promise<CatalogueCard[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ENDING)).map((name) => basename(name, ENDING));
  return Promise.all(names.toSorted().map((name) => readCard(folder, name)));
}

/** @throws UNKNOWN_MODEL with the names that may have been meant, BAD_CARD */
export function findCard(
  cards: readonly CatalogueCard[],
  name: string,
  own: readonly Pick<OwnPackage, "name" | "path">[] = [],
): CatalogueCard {
  const found = cards.find((card) => card.name === name.toLowerCase());
  if (found) return found;
  const here = own.find((each) => each.name === name.toLowerCase());
  if (here)
    throw new LichenError("UNKNOWN_MODEL", {
      at: name,
      found: "one that came along",
      wanted: "one to fetch",
      todo: `use it from where it lies, with --model ${here.path}`,
    });
  const meant = similar(
    name,
    cards.map((card) => card.name),
  );
  throw new LichenError("UNKNOWN_MODEL", {
    at: name,
    ...(meant.length > 0 && { todo: `did you mean ${meant.join(" or ")}? See lichen models for all` }),
  });
}

const ENDING = ".json";

export const cardFile = (folder: string, name: string): string => join(folder, `${name}${ENDING}`);

async function readCard(folder: string, name: string): Promise<CatalogueCard> {
  const file = cardFile(folder, name);
  const card = parseCatalogueCard(await readFile(file, "utf8"), file);
  if (card.name === name) return card;
  throw new LichenError("BAD_CARD", { at: `${file}: name`, found: card.name, wanted: name });
}

/** Names that hold every part of the word, as people shorten them; else the one nearest by letters. */
function similar(word: string, names: readonly string[]): string[] {
  const parts = word
    .toLowerCase()
    .split(/[^a-z0-9.]+/)
    .filter(Boolean);
  const holding = parts.length === 0 ? [] : names.filter((name) => parts.every((part) => name.includes(part)));
  const near = nearest(word, names);
  return holding.length > 0 ? holding : near === undefined ? [] : [near];
}
