import { join } from "node:path";
import { assertWanted, LichenError } from "../../runtime/errors.ts";
import { sha256 } from "../../runtime/package/package.ts";
import { storageFailed, writeDurably } from "../disk/durable.ts";
import { makeFolder } from "../disk/folder.ts";
import { runOfflineImport } from "../offline/import.ts";
import { makePlaceForPackage } from "../offline/package-folder.ts";
import { isHere, type Places, placesOf } from "./cache.ts";
import type { CatalogueCard } from "./card.ts";
import { cardFile, catalogueFolder, findCard, readCatalogue } from "./catalogue.ts";
import { fetchFile, type Watch, type World } from "./fetch.ts";
import { ownPackages } from "./own.ts";

export interface GetOptions {
  readonly name: string;
  readonly cache: string;
  /** Where the package goes; beside the file where absent. */
  readonly out?: string;
  /** The model's file, carried over from a machine with a network. */
  readonly from?: string;
  /** A place that has the file under its name, asked instead of the card's addresses. */
  readonly mirror?: string;
  /** Whether a package in `out` may be replaced; the one in the cache always is. */
  readonly force?: true;
}

/** The schema of `lichen models get --json`. */
export interface GetResult {
  schema: "lichen/models-get/1";
  name: string;
  file: string;
  bytes: number;
  sha256: string;
  /** Where the bytes are from. */
  from: "cache" | "file" | "network";
  package: string;
  /** What import assumed and changed. */
  notes: readonly string[];
}

/**
 * Brings a model of the catalogue here, verified, and makes a package of it that every command takes as `--model`.
 * @throws UNKNOWN_MODEL, FETCH_FAILED and WRONG_FILE saying how to do it without a network, CANCELLED, STORAGE_FAILED, BAD_ARGUMENT, and
 *   what `importModel` throws; the file is kept then
 */
export async function getModel(
  options: GetOptions,
  watch: Watch,
  world: World,
  catalogue = catalogueFolder(),
): Promise<GetResult> {
  const card = findCard(await readCatalogue(catalogue), options.name, await ownPackages());
  const places = placesOf(options.cache, card);
  const out = options.out ?? places.package;
  await makeFolder(world.disk, places.folder);
  await makePlaceForPackage(out, { force: options.out === undefined || options.force, source: places.file });
  const from = await obtain(card, places, options, watch, world);
  assertWanted(watch.signal, places.file);
  const how = { out, force: true, card: cardFile(catalogue, card.name) };
  const { notes } = await runOfflineImport(places.file, how, watch.signal);
  return {
    schema: "lichen/models-get/1",
    name: card.name,
    file: places.file,
    bytes: card.bytes,
    sha256: card.sha256,
    from,
    package: out,
    notes,
  };
}

/** Sees to it that the right file lies in its place. @returns where it is from */
async function obtain(
  card: CatalogueCard,
  places: Places,
  { from, mirror }: GetOptions,
  watch: Watch,
  world: World,
): Promise<GetResult["from"]> {
  if (from !== undefined) {
    await takeOver(card, places, from, world);
    return "file";
  }
  if (await isCached(card, places, world)) return "cache";
  const addresses = mirror === undefined ? card.addresses : [mirrored(mirror, card.file)];
  if (addresses.length === 0)
    throw new LichenError("FETCH_FAILED", {
      at: card.name,
      found: card.noAddress ?? "no address",
      wanted: described(card),
      todo: byHand(card),
    });
  await fetchFile(world, addresses, card, places.file, watch).catch((error: unknown) => {
    throw withAdvice(error, card);
  });
  return "network";
}

/** What lies there and is not the right file goes. */
async function isCached(card: CatalogueCard, places: Places, { disk }: World): Promise<boolean> {
  const bytes = (await isHere(disk, places, card)) ? await disk.read(places.file).catch(() => null) : null;
  if (bytes !== null && sha256(bytes) === card.sha256) return true;
  await disk.remove(places.file).catch((cause: unknown) => {
    throw storageFailed(places.file, cause);
  });
  return false;
}

/** Copies a file that somebody brought, once it is known to be the right one. */
async function takeOver(card: CatalogueCard, places: Places, from: string, { disk }: World): Promise<void> {
  const unreadable = (cause: unknown) => {
    throw new LichenError("BAD_ARGUMENT", { at: `--from ${from}`, found: "no readable file", cause });
  };
  const found = await disk.facts(from).catch(unreadable);
  const wrong = (what: string) =>
    new LichenError("WRONG_FILE", {
      at: from,
      found: what,
      wanted: described(card),
      todo: card.addresses.length > 0 ? `fetch ${card.addresses[0]} and bring that` : (card.noAddress ?? ""),
    });
  if (found.isFolder)
    throw new LichenError("BAD_ARGUMENT", { at: `--from ${from}`, found: "a folder", wanted: card.file });
  if (found.bytes !== card.bytes) throw wrong(`${found.bytes} bytes`);
  const bytes = await disk.read(from).catch(unreadable);
  const sum = sha256(bytes);
  if (sum !== card.sha256) throw wrong(`sha256 ${sum}`);
  await writeDurably(disk, places.file, bytes);
}

/** `http://host/models` + `x.tflite` → `http://host/models/x.tflite`. The sum is looked at all the same, so http will do. */
function mirrored(mirror: string, file: string): string {
  const base = URL.canParse(mirror) ? new URL(mirror) : null;
  if (base === null || !/^https?:$/.test(base.protocol))
    throw new LichenError("BAD_ARGUMENT", { at: "--mirror", found: mirror, wanted: "an http or https address" });
  base.pathname = join(base.pathname, file);
  return base.href;
}

/** A board without a network is usual: what to do then is said in full. */
function withAdvice(error: unknown, card: CatalogueCard): unknown {
  if (!(error instanceof LichenError) || (error.code !== "FETCH_FAILED" && error.code !== "WRONG_FILE")) return error;
  return new LichenError(error.code, { ...error.details, at: card.name, todo: byHand(card) });
}

const described = ({ bytes, sha256: sum }: CatalogueCard): string => `${bytes} bytes of sha256 ${sum}`;

const byHand = ({ name, addresses, file }: CatalogueCard): string => {
  const carried = `carry it over and run lichen models get ${name} --from ${file}`;
  return addresses.length === 0
    ? `find the file with this sum, ${carried}`
    : `check the network and run it again, it goes on where it stopped; or, on a machine with a network, fetch ${addresses.join(" or ")}, ${carried}`;
};
