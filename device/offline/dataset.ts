import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type Sample, LichenError, type Preprocessor } from "../../runtime/index.ts";

/**
 * Labelled samples from a folder with one folder per class. What the model's preprocessing does not read (a README, a `.DS_Store`)
 * is passed over; a file of the right kind that cannot be decoded is an error, since leaving it out would change what is measured.
 * @throws BAD_ARGUMENT when there are no samples, and the preprocessor's own errors
 */
export async function readDataset(folder: string, preprocessor: Preprocessor): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const label of await listed(folder, "folders")) {
    for (const name of await listed(path.join(folder, label), "files")) {
      if (!preprocessor.extensions.includes(path.extname(name).toLowerCase())) continue;
      const file = path.join(folder, label, name);
      samples.push({ label, features: await preprocessor.features(await readFile(file), file) });
    }
  }
  if (samples.length > 0) return samples;
  throw new LichenError("BAD_ARGUMENT", {
    at: folder,
    found: "no samples",
    wanted: `one folder per class, with ${preprocessor.extensions.join(", ")} files in it`,
  });
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
