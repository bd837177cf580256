import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import type { Report } from "./collect.ts";

/** A report as a compressed tar archive, all in one folder, so that it unpacks into no other. */
export async function packReport(report: Report, folder: string, nowMs: number): Promise<Uint8Array> {
  const mtime = new Date(nowMs);
  const entries = Object.entries(report).map(([name, text]) => {
    const body = new TextEncoder().encode(text);
    return { header: { name: `${folder}/${name}`, size: body.length, mtime, mode: 0o600 }, body };
  });
  return gzipSync(await packTar(entries));
}
