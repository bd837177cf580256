/** Folder names that mean something else beside class folders. */
export const RESERVED = { inbox: "inbox", done: "done", rejected: "rejected" } as const;

/** The folder of samples without a label; offline commands know it too. */
export const UNLABELLED_FOLDER = "_unlabelled";

/** The folder of a class: its label where that is a safe folder name, else percent-encoded; reversible and without collisions. */
export function labelFolder(label: string): string {
  const encoded = encodeURIComponent(label).replaceAll("%20", " ");
  const risky = encoded.startsWith(".") || encoded in RESERVED || encoded === UNLABELLED_FOLDER;
  return risky ? `%${label.charCodeAt(0).toString(16)}${encoded.slice(1)}` : encoded;
}

/** The folder of a sample. */
export const folderOf = (label: string | null): string => (label === null ? UNLABELLED_FOLDER : labelFolder(label));

/** The label of a folder; null is that of the unlabelled. @returns undefined for a folder that no label has */
export function labelOfFolder(folder: string): string | null | undefined {
  if (folder === UNLABELLED_FOLDER) return null;
  try {
    const label = decodeURIComponent(folder);
    return labelFolder(label) === folder ? label : undefined;
  } catch {
    return undefined;
  }
}
