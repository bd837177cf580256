import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { LichenError, type Preprocessor, type Sample, sha256 } from "../../runtime/index.ts";
import { AUGMENT_POLICY, type AugmentPolicy } from "../../runtime/signal/augment/index.ts";
import { featuresOf } from "../../runtime/train/samples.ts";

/**
 * Labelled samples from a folder with one folder per class. What the model's preprocessing does not read (a README, a `.DS_Store`)
 * is passed over; a file of the right kind that cannot be decoded is an error when its turn comes, since leaving it out would change
 * what is measured. Files are decoded when they are needed: there may be more of them than memory holds.
 * @throws BAD_ARGUMENT when there are no samples; `features` and `views` the preprocessor's own errors
 */
export async function readDataset(
  folder: string,
  preprocessor: Preprocessor,
  augment: AugmentPolicy = AUGMENT_POLICY,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const label of await listed(folder, "folders")) {
    for (const name of await listed(path.join(folder, label), "files")) {
      if (!preprocessor.extensions.includes(path.extname(name).toLowerCase())) continue;
      const file = path.join(folder, label, name);
      const bytes = () => readFile(file);
      samples.push({
        label,
        id: sha256(await bytes()),
        features: async () => preprocessor.features(await bytes(), file),
        views: async (randoms) => preprocessor.views(await bytes(), file, randoms, augment),
      });
    }
  }
  if (samples.length > 0) return samples;
  throw new LichenError("BAD_ARGUMENT", {
    at: folder,
    found: "no samples",
    wanted: `one folder per class, with ${preprocessor.extensions.join(", ")} files in it`,
  });
}

/** The same with all features in memory, for work that reads them many times. */
export async function loadedDataset(folder: string, preprocessor: Preprocessor): Promise<Sample[]> {
  const loaded: Sample[] = [];
  for (const sample of await readDataset(folder, preprocessor))
    loaded.push({ ...sample, features: await featuresOf(sample) });
  return loaded;
}

/** Sorted, so that the same folder gives the same order on every file system. */
async function listed(folder: string, what: "folders" | "files"): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new LichenError("BAD_ARGUMENT", {
      at: folder,
      found: "no readable folder",
      wanted: "a folder of samples",
      cause,
    });
  });
  return entries
    .filter((entry) => !entry.name.startsWith(".") && (what === "folders" ? entry.isDirectory() : entry.isFile()))
    .map((entry) => entry.name)
    .sort();
}
