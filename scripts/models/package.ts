import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodePackage, type PackageParts } from "../../runtime/package/encode.ts";
import { makeRehearsal } from "../../runtime/package/rehearsal.ts";
import type { Example } from "./examples.ts";

/** What a package is made of, with the examples that adaptation must not forget: of each class, `perClass` that the model gets right. */
export interface Ingredients extends Omit<PackageParts, "rehearsal"> {
  examples: readonly Example[];
  perClass: number;
}

/** Writes a package folder of the project's own. The same ingredients give the same bytes. */
export async function writePackage(folder: string, { model, card, examples, perClass }: Ingredients): Promise<void> {
  const rehearsal = await makeRehearsal(model, card, samplesOf(examples, card.labels), { perClass });
  const { files } = encodePackage({ model, card, rehearsal });
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) {
    await writeFile(join(folder, name), bytes);
    console.log(`${join(folder, name)}: ${bytes.length} bytes`);
  }
}

export const samplesOf = (examples: readonly Example[], labels: readonly string[]) =>
  examples.map(({ label, features }) => ({ label: labels[label]!, features }));
