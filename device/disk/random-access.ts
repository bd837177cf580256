import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolders } from "./make-folder.ts";

/**
 * A file that is read and written in places. As with `Disk`, every call is one step that a power cut may follow, and all reject with
 * Node's own errors. Nothing is forced onto the medium: what was written may be lost, in any order.
 */
export interface RandomAccessFile {
  length(): Promise<number>;
  /** Fills the buffer, as far as the file goes. @returns bytes read */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of it; when it rejects, a part may be there. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file, made empty where there is none, with its folder. */
export type OpenRandomAccess = (path: string) => Promise<RandomAccessFile>;

export const openRandomAccess: OpenRandomAccess = async (path) => {
  await makeFolders(dirname(path));
  // Not "r+", which wants the file to be there, nor "a+", which writes at the end only.
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
  return {
    length: async () => (await handle.stat()).size,
    async read(into, position) {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    async write(bytes, position) {
      // On a disk that fills up, a part is written before the rest is refused.
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    },
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
};
