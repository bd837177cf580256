import { createHash } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, readSync, statSync } from "node:fs";
import { LichenError } from "../../runtime/errors.ts";
import type { Bytes } from "../../runtime/signal/index.ts";

/** A file of which parts are read when they are asked for: an hour of sound need not be in memory. It is open only while it is read. */
export function fileBytes(path: string): Bytes {
  const length = statSync(path).size;
  return {
    length,
    subarray(start, end) {
      const wanted = Math.min(end, length) - start;
      const bytes = new Uint8Array(Math.max(0, wanted));
      const file = openSync(path, "r");
      try {
        let read = 0;
        for (let more = -1; read < wanted && more !== 0; read += more)
          more = readSync(file, bytes, read, wanted - read, start + read);
        if (read === bytes.length) return bytes;
        throw new LichenError("BAD_SAMPLE", {
          at: path,
          found: `${fstatSync(file).size} bytes`,
          wanted: `${length}, as when it was opened`,
        });
      } finally {
        closeSync(file);
      }
    },
  };
}

/** 64 hexadecimal digits. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of createReadStream(path)) hash.update(block);
  return hash.digest("hex");
}
