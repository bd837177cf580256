import { createHash } from "node:crypto";
import { createTarDecoder, createTarPacker } from "modern-tar";
import * as z from "zod";
import { LichenError } from "../../runtime/errors.ts";
import { FEATURES_EXTENSION } from "./features.ts";
import { folderOf } from "./label-folder.ts";
import { type Entry, entryOf, entrySchema, type StoredSample } from "./sample.ts";
import type { IncomingSample, Stored } from "./store.ts";

/*
 * Samples as a tar archive that any tar opens:
 *
 *   manifest.json                   what is known of each sample; first, so that an import need not go back
 *   samples/<class>/<sha256>.wav    as the store keeps them
 */

const about = z.strictObject({
  device: z.string(),
  model: z.strictObject({ id: z.string(), version: z.string(), sha256: z.string() }),
  /** By the board's clock, which may be wrong. */
  exportedAt: z.string(),
});

const FORMAT = "lichen/samples-archive/1";

const manifestSchema = about.extend({
  format: z.literal(FORMAT),
  samples: z.array(entrySchema.extend({ file: z.string() })),
});

export type About = z.infer<typeof about>;

const MANIFEST = "manifest.json";
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/** @param read of files; one that is gone by then, since the store goes on, is left out */
export function exportSamples(
  samples: readonly StoredSample[],
  about: About,
  read: (path: string) => Promise<Uint8Array>,
): ReadableStream<Uint8Array> {
  const { readable, controller } = createTarPacker();
  const mtime = new Date(about.exportedAt);
  const put = async (name: string, bytes: Uint8Array, time: Date) => {
    const writer = controller.add({ name, size: bytes.byteLength, mtime: time }).getWriter();
    // A Buffer is no Uint8Array by name, which the packer looks at.
    await writer.write(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    await writer.close();
  };
  const pack = async () => {
    const entries = samples.map((sample) => ({ ...entryOf(sample), file: fileOf(sample) }));
    const manifest: z.infer<typeof manifestSchema> = { format: FORMAT, ...about, samples: entries };
    await put(MANIFEST, new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`), mtime);
    for (const sample of samples) {
      const bytes = await read(sample.path).catch(() => undefined);
      if (bytes !== undefined) await put(fileOf(sample), bytes, new Date(sample.arrivedAtMs));
    }
    controller.finalize();
  };
  // Who reads the archive is told; nobody else waits for it.
  pack().catch((error) => controller.error(error));
  return readable;
}

const fileOf = ({ sha256, label, extension }: Entry): string => `samples/${folderOf(label)}/${sha256}${extension}`;

export interface Imported {
  readonly stored: number;
  /** There already, under the same label or one that counts more. */
  readonly known: number;
  readonly relabelled: number;
  readonly refused: readonly { readonly file: string; readonly error: unknown }[];
}

export interface ImportOptions {
  /** Takes a sample in, as one that a source brings. */
  readonly take: (sample: IncomingSample, file: string) => Promise<Stored>;
  /** sha256 of the model served here: what another model takes in is no use to it. */
  readonly modelSha256: string;
  readonly maxFileBytes: number;
}

/**
 * Takes in what is in an archive, one sample after the other: what has been taken in stays, whatever comes after. Names in an archive
 * are looked up in its manifest and never used as paths.
 * @throws BAD_ARCHIVE for what is none, or ends before its end; STORAGE_FAILED
 */
export async function importSamples(
  archive: ReadableStream<Uint8Array>,
  { take, modelSha256, maxFileBytes }: ImportOptions,
): Promise<Imported> {
  const counts = { stored: 0, known: 0, relabelled: 0 };
  const refused: { file: string; error: unknown }[] = [];
  let manifest: Map<string, Entry> | undefined;
  let model = "";
  for await (const { name, size, body } of entriesOf(archive)) {
    if (manifest === undefined) {
      if (name !== MANIFEST || size > MAX_MANIFEST_BYTES) throw bad(`${name} first`, `${MANIFEST} first`);
      const parsed = parseManifest(await body());
      manifest = new Map(parsed.samples.map(({ file, ...entry }) => [file, entry]));
      model = parsed.model.sha256;
      continue;
    }
    try {
      const entry = manifest.get(name);
      if (entry === undefined) throw bad(name, "files that the manifest names");
      if (size > maxFileBytes) throw bad(`${size} bytes`, `at most ${maxFileBytes} a file`, name);
      const bytes = await body();
      assertGenuine(entry, bytes, name, model === modelSha256);
      counts[await take(incoming(entry, bytes), name)]++;
    } catch (error) {
      if (error instanceof LichenError && error.code === "STORAGE_FAILED") throw error;
      refused.push({ file: name, error });
    }
  }
  if (manifest === undefined) throw bad("an empty archive", MANIFEST);
  return { ...counts, refused };
}

const incoming = (entry: Entry, bytes: Uint8Array): IncomingSample => ({
  bytes,
  sha256: entry.sha256,
  label: entry.label,
  extension: entry.extension,
  arrivedAtMs: entry.arrivedAtMs,
  ...(entry.origin && { origin: entry.origin }),
  ...(entry.source !== null && { source: entry.source }),
  ...(entry.prediction && { prediction: entry.prediction }),
});

/** @throws BAD_ARCHIVE */
function assertGenuine({ sha256, extension }: Entry, bytes: Uint8Array, name: string, isSameModel: boolean): void {
  if (extension === FEATURES_EXTENSION) {
    if (!isSameModel) throw bad("what another model takes in", "features for the model served here", name);
    return;
  }
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) throw bad(`sha256 ${found}`, sha256, name);
}

function parseManifest(bytes: Uint8Array): z.infer<typeof manifestSchema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw bad("a manifest that is no JSON", "JSON");
  }
  const manifest = manifestSchema.safeParse(value);
  if (manifest.success) return manifest.data;
  const issue = manifest.error.issues[0]!;
  throw bad(`${issue.path.join(".")} in the manifest`, issue.message);
}

interface ArchiveEntry {
  readonly name: string;
  readonly size: number;
  body(): Promise<Uint8Array>;
}

/** Plain files, one at a time; what is left unread of one is passed over. @throws BAD_ARCHIVE */
async function* entriesOf(archive: ReadableStream<Uint8Array>): AsyncIterable<ArchiveEntry> {
  const reader = archive.pipeThrough(createTarDecoder({ strict: true })).getReader();
  const next = () =>
    reader.read().catch((cause) => Promise.reject(bad(String(cause), "a whole tar archive", "", cause)));
  for (;;) {
    const { done, value } = await next();
    if (done) return;
    const { header, body } = value;
    let isRead = false;
    if (header.type === undefined || header.type === "file") {
      yield {
        name: header.name,
        size: header.size,
        async body() {
          isRead = true;
          const whole = await new Response(body).arrayBuffer().catch((cause) => {
            throw bad(String(cause), "a whole tar archive", header.name, cause);
          });
          return new Uint8Array(whole);
        },
      };
    }
    if (!isRead) await body.cancel();
  }
}

const bad = (found: string, wanted: string, at = "the archive", cause?: unknown) =>
  new LichenError("BAD_ARCHIVE", { at, found, wanted, cause });
