import * as z from "zod";
import { type Disk, isMissing } from "../disk/disk.ts";
import { storageFailed } from "../disk/durable.ts";
import type { OpenRandomAccess } from "../disk/random-access.ts";

/** Which version of which file the bytes of a part are from. */
export interface Origin {
  readonly address: string;
  /** A strong ETag, or the date of the last change: what `If-Range` takes. @see RFC 9110, 13.1.5 */
  readonly validator: string;
}

/**
 * A file on its way: `NAME.part`, and `NAME.part.json` that says what it is a part of. Both outlive Ctrl-C and a power cut. What
 * counts in the end is the sha256 of the whole: nothing here has to be forced onto the medium before.
 */
export interface Part {
  readonly path: string;
  /** Bytes that are there of this address, and of which version. */
  known(address: string): Promise<{ readonly bytes: number; readonly validator: string } | null>;
  /** Empties the part, for bytes of another origin; `null` where these could not be gone on with. */
  begin(origin: Origin | null): Promise<void>;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** All that is there. */
  read(): Promise<Uint8Array>;
  remove(): Promise<void>;
  /** An empty part leaves no trace. */
  close(): Promise<void>;
}

const originSchema = z.strictObject({ address: z.string(), validator: z.string().min(1) });

/** All calls reject with STORAGE_FAILED. */
export async function openPart(disk: Disk, open: OpenRandomAccess, path: string): Promise<Part> {
  const originPath = `${path}.json`;
  const guarded = async <T>(step: () => Promise<T>): Promise<T> =>
    step().catch((cause: unknown) => {
      throw storageFailed(path, cause);
    });
  const file = await guarded(() => open(path));
  const remove = async () => {
    await disk.remove(originPath);
    await disk.remove(path);
  };
  return {
    path,
    async known(address) {
      const [bytes, origin] = await guarded(async () => [await file.length(), await readOrigin(disk, originPath)]);
      return bytes > 0 && origin?.address === address ? { bytes, validator: origin.validator } : null;
    },
    begin: (origin) =>
      guarded(async () => {
        // In this order: bytes never stand beside the name of another origin.
        await file.truncate(0);
        if (origin === null) await disk.remove(originPath);
        else await disk.write(originPath, new TextEncoder().encode(JSON.stringify(origin)));
      }),
    write: (bytes, position) => guarded(() => file.write(bytes, position)),
    read: () => guarded(() => disk.read(path)),
    remove: () => guarded(remove),
    close: () =>
      guarded(async () => {
        const empty = (await file.length()) === 0;
        await file.close();
        if (empty) await remove();
      }),
  };
}

/** What cannot be read is not gone on with. */
async function readOrigin(disk: Disk, path: string): Promise<Origin | null> {
  try {
    return originSchema.parse(JSON.parse(new TextDecoder().decode(await disk.read(path))));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError || isMissing(error)) return null;
    throw error;
  }
}
