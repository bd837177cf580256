import { readdir } from "node:fs/promises";
import path from "node:path";
import { LichenError, type Preprocessor, type Sample } from "../../runtime/index.ts";
import { AUGMENT_POLICY, type AugmentPolicy } from "../../runtime/signal/augment/index.ts";
import type { RecordingWindow, WindowPolicy } from "../../runtime/signal/index.ts";
import { featuresOf } from "../../runtime/train/samples.ts";
import { fileBytes, sha256OfFile } from "./file-bytes.ts";

export interface DatasetOptions {
  augment?: AugmentPolicy;
  /** How a long recording is cut into windows, of which each is a sample. */
  windows?: WindowPolicy;
  /** Whether a folder may stand for several classes at once, as `cat+dog`, or for none of them, as `_none`. */
  severalLabels?: boolean | undefined;
}

/** Folders that are no classes. */
export const UNLABELLED = "_unlabelled";
const NONE = "_none";

/**
 * Samples from a folder with one folder per class. Files beside the class folders, or in `_unlabelled`, are samples that nobody has
 * labelled. What the model's preprocessing does not read (a README, a `.DS_Store`) is passed over; a file of the right kind that
 * cannot be decoded is an error when its turn comes, since leaving it out would change what is measured. Files are decoded when they
 * are needed: there may be more of them than memory holds. A recording with room for several windows is as many samples.
 * @throws BAD_ARGUMENT when there are no samples; `features` and `views` the preprocessor's own errors
 */
export async function readDataset(
  folder: string,
  preprocessor: Preprocessor,
  { augment = AUGMENT_POLICY, windows, severalLabels = false }: DatasetOptions = {},
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const places = [
    ...(await listed(folder, "folders")).map((name) => ({
      place: path.join(folder, name),
      label: labelOf(name, severalLabels),
    })),
    { place: folder, label: null },
  ];
  for (const { place, label } of places) {
    for (const name of await listed(place, "files")) {
      if (!preprocessor.extensions.includes(path.extname(name).toLowerCase())) continue;
      const file = path.join(place, name);
      const id = await sha256OfFile(file);
      for (const window of await windowsOf(file, preprocessor, windows))
        samples.push(sampleOf(window, label, id, augment));
    }
  }
  if (samples.length > 0) return samples;
  throw noSamples(folder, `one folder per class, with ${preprocessor.extensions.join(", ")} files in it`);
}

/** @param file sha256 of the file */
const sampleOf = (
  { start, features, views }: Pick<RecordingWindow, "start" | "features" | "views">,
  label: Sample["label"],
  file: string,
  augment: AugmentPolicy,
): Sample => ({
  label,
  features,
  views: (randoms) => views(randoms, augment),
  // By its place rather than its number: that would be another window's with another overlap.
  ...(start === null ? { id: file } : { id: `${file}@${start}`, recording: file }),
});

/** Of what cannot be read, one that says so when it is its turn. */
async function windowsOf(
  file: string,
  preprocessor: Preprocessor,
  policy: WindowPolicy | undefined,
): Promise<Pick<RecordingWindow, "start" | "features" | "views">[]> {
  try {
    return await preprocessor.windows(fileBytes(file), file, policy);
  } catch (error) {
    const fail = () => Promise.reject(error);
    return [{ start: null, features: fail, views: fail }];
  }
}

/** How many files samples are of. */
export const recordingsIn = (samples: readonly Sample[]): number =>
  new Set(samples.map((sample) => sample.recording ?? sample)).size;

/** Only what somebody has labelled: the rest says nothing about accuracy. @throws BAD_ARGUMENT when that is nothing */
export async function readLabelled(...parameters: Parameters<typeof readDataset>): Promise<Sample[]> {
  const labelled = (await readDataset(...parameters)).filter(({ label }) => label !== null);
  if (labelled.length > 0) return labelled;
  throw noSamples(parameters[0], "labelled ones: one folder per class");
}

/** The same samples with all features in memory, for work that reads them many times. */
export async function inMemory(samples: readonly Sample[]): Promise<Sample[]> {
  const loaded: Sample[] = [];
  for (const sample of samples) loaded.push({ ...sample, features: await featuresOf(sample) });
  return loaded;
}

function labelOf(folder: string, severalLabels: boolean): Sample["label"] {
  if (folder === UNLABELLED) return null;
  if (!severalLabels) return folder;
  return folder === NONE ? [] : folder.split("+").filter(Boolean);
}

const noSamples = (at: string, wanted: string) => new LichenError("BAD_ARGUMENT", { at, found: "no samples", wanted });

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
