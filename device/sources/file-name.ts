import { basename } from "node:path";

/** What files begin with, by what their names end in. */
const BEGINNINGS: readonly (readonly [extension: string, test: (head: string) => boolean])[] = [
  [".wav", (head) => /^(RIFF|RF64|BW64)....WAVE/s.test(head)],
  [".webp", (head) => /^RIFF....WEBP/s.test(head)],
  [".jpg", (head) => head.startsWith("\xff\xd8\xff")],
  [".png", (head) => head.startsWith("\x89PNG\r\n\x1a\n")],
];

const LONGEST = 128;

/**
 * A file name for bytes that came without one, or with one that somebody else made up: its last part, without what a terminal or a
 * file system would stumble over. What it ends in is looked up in the bytes where it is missing.
 */
export function fileNameOf(bytes: Uint8Array, given?: string): string {
  const name = basename((given ?? "").replaceAll("\\", "/"))
    .replace(/\p{Cc}/gu, "")
    .replace(/^\.+/, "")
    .slice(-LONGEST);
  if (/.\.[A-Za-z0-9]{1,8}$/.test(name)) return name;
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  const extension = BEGINNINGS.find(([, test]) => test(head))?.[0] ?? "";
  return `${name || "file"}${extension}`;
}
