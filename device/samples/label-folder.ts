/** Folder names that mean something else beside class folders. */
export const RESERVED = { inbox: "inbox", done: "done", rejected: "rejected" } as const;

/** The folder of a class: its label where that is a safe folder name, else percent-encoded; reversible and without collisions. */
export function labelFolder(label: string): string {
  const encoded = encodeURIComponent(label).replaceAll("%20", " ");
  const risky = encoded.startsWith(".") || encoded in RESERVED;
  return risky ? `%${label.charCodeAt(0).toString(16)}${encoded.slice(1)}` : encoded;
}
