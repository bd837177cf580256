import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Card, parseCard } from "../../runtime/package/card.ts";
import { nodeDisk } from "../disk/disk.ts";
import { packageRoot } from "../package-root.ts";

export interface OwnPackage {
  name: string;
  description: string;
  licence: string;
  /** Of model.onnx. */
  bytes: number;
  path: string;
}

/** Packages of the project's own: there without any network. @throws BAD_CARD */
export async function ownPackages(folder = join(packageRoot(), "models")): Promise<OwnPackage[]> {
  const names = (await readdir(folder, { withFileTypes: true })).flatMap((entry) =>
    entry.isDirectory() ? entry.name : [],
  );
  const found = names.toSorted().map(async (name): Promise<OwnPackage | null> => {
    const path = join(folder, name);
    const card = await nodeDisk.read(join(path, "card.json")).catch(() => null);
    if (!card) return null;
    const { id, description, licence }: Card = parseCard(new TextDecoder().decode(card), join(path, "card.json"));
    const model = await nodeDisk.facts(join(path, "model.onnx")).catch(() => null);
    return { name: id, description, licence, bytes: model?.bytes ?? 0, path };
  });
  return (await Promise.all(found)).filter((each) => each !== null);
}
