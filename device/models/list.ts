import { join } from "node:path";
import { nodeDisk } from "../disk/disk.ts";
import { isHere, type Places, placesOf } from "./cache.ts";
import { type CatalogueCard, outputsOf } from "./card.ts";
import { findCard, readCatalogue } from "./catalogue.ts";
import { type OwnPackage, ownPackages } from "./own.ts";

/** The schema of `lichen models --json`. */
export interface ListResult {
  schema: "lichen/models/1";
  /** Packages of the project's own: there without any network. */
  packages: OwnPackage[];
  catalogue: ListedModel[];
  cache: string;
}

export interface ListedModel extends Here {
  name: string;
  title: string;
  task: string;
  bytes: number;
  licence: string;
  /** Whether there is an address to fetch it from. */
  fetchable: boolean;
}

/** What is on this machine already. */
interface Here {
  file: string | null;
  package: string | null;
}

/** The schema of `lichen models show --json`. */
export interface ShowResult extends CatalogueCard {
  schema: "lichen/models-show/1";
  /** How many classes, or values, it answers with. */
  outputs: number;
  here: Here;
}

/** @throws BAD_CARD */
export async function listModels(cache: string): Promise<ListResult> {
  const [packages, cards] = await Promise.all([ownPackages(), readCatalogue()]);
  const catalogue = cards.map(async (card): Promise<ListedModel> => {
    const { name, title, task, bytes, licence, addresses } = card;
    return { name, title, task, bytes, licence, fetchable: addresses.length > 0, ...(await hereOf(cache, card)) };
  });
  return { schema: "lichen/models/1", packages, catalogue: await Promise.all(catalogue), cache };
}

/** @throws UNKNOWN_MODEL, BAD_CARD */
export async function showModel(name: string, cache: string): Promise<ShowResult> {
  const card = findCard(await readCatalogue(), name, await ownPackages());
  return { schema: "lichen/models-show/1", ...card, outputs: outputsOf(card), here: await hereOf(cache, card) };
}

async function hereOf(cache: string, card: CatalogueCard): Promise<Here> {
  const places: Places = placesOf(cache, card);
  const packaged = await nodeDisk.facts(join(places.package, "card.json")).catch(() => null);
  return {
    file: (await isHere(nodeDisk, places, card)) ? places.file : null,
    package: packaged ? places.package : null,
  };
}
