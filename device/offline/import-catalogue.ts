import { readFile } from "node:fs/promises";
import { LichenError } from "../../runtime/errors.ts";
import type { ImportOptions } from "../../runtime/import/index.ts";
import { type CatalogueCard, parseCatalogueCard } from "../models/card.ts";
import { readCatalogue } from "../models/catalogue.ts";

type Known = Partial<Omit<ImportOptions, "bytes" | "at">>;

/**
 * What the catalogue knows of a file: by the card that was named, or else by the file's own hash.
 * @throws WRONG_FILE where the card is of another file, BAD_CARD, BAD_ARGUMENT
 */
export async function catalogueOptions(
  cardFile: string | undefined,
  sha256: string,
): Promise<{ options: Known; notes: string[] }> {
  if (cardFile !== undefined) {
    const card = await readNamed(cardFile);
    if (card.sha256 !== sha256)
      throw new LichenError("WRONG_FILE", {
        at: cardFile,
        found: `sha256 ${sha256}`,
        wanted: card.sha256,
        todo: "name the card of this file, or leave --card out and say what is needed by itself",
      });
    return { options: optionsOf(card), notes: [] };
  }
  const card = (await readCatalogue().catch(() => [])).find((each) => each.sha256 === sha256);
  return card
    ? {
        options: optionsOf(card),
        notes: [`the file is ${card.name} of the catalogue, which knows its preprocessing and licence`],
      }
    : { options: {}, notes: [] };
}

async function readNamed(file: string): Promise<CatalogueCard> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new LichenError("BAD_ARGUMENT", { at: "--card", found: `${file}, where there is no readable file`, cause });
  });
  return parseCatalogueCard(text, file);
}

const optionsOf = ({ name, title, licence, input, preprocessing, labels, metrics }: CatalogueCard): Known => ({
  id: name,
  description: title,
  licence,
  preprocessing,
  ...(input.layout && { layout: input.layout }),
  ...(Array.isArray(labels) && { labels }),
  metrics: metrics.map(({ source, on, ...rest }) => ({ ...rest, on: `${on}, as published (${source})` })),
});
