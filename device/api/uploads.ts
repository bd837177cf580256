import type { Context } from "hono";
import { LichenError } from "../../runtime/errors.ts";
import { fileNameOf } from "../sources/file-name.ts";
import type { SourceFile } from "../sources/source.ts";
import { problem } from "./problem.ts";

/** More files than that are no single request any more. */
const MAX_FILES = 64;

/** What became of each file of a request, in its order. */
export type Each<T> =
  | { readonly file: string; readonly result: T }
  | { readonly file: string; readonly error: unknown };

/**
 * The files of a request: its body is one, or multipart/form-data holds several.
 * @throws BAD_REQUEST where there is none, or too many
 */
export async function filesOf(c: Context): Promise<SourceFile[]> {
  if (!isMultipart(c)) {
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    if (bytes.length === 0)
      throw new LichenError("BAD_REQUEST", { at: c.req.path, found: "no body", wanted: "a file" });
    return [named(bytes, c.req.query("name"))];
  }
  const form = await c.req.formData().catch((cause) => {
    throw new LichenError("BAD_REQUEST", {
      at: c.req.path,
      found: String(cause),
      wanted: "multipart/form-data",
      cause,
    });
  });
  const blobs = [...form.values()].filter((value) => typeof value !== "string");
  if (blobs.length === 0 || blobs.length > MAX_FILES) {
    const wanted = `1 to ${MAX_FILES} parts with a file name`;
    throw new LichenError("BAD_REQUEST", { at: c.req.path, found: `${blobs.length} files`, wanted });
  }
  return Promise.all(blobs.map(async (blob) => named(new Uint8Array(await blob.arrayBuffer()), blob.name)));
}

export const isMultipart = (c: Context): boolean => /^multipart\/form-data\b/i.test(c.req.header("content-type") ?? "");

/** One after the other; what is wrong with one file keeps no other from its turn. */
export async function eachOf<T>(
  files: readonly SourceFile[],
  act: (file: SourceFile) => Promise<T>,
): Promise<Each<T>[]> {
  const all: Each<T>[] = [];
  for (const file of files) {
    all.push(
      await act(file).then(
        (result) => ({ file: file.name, result }),
        (error) => ({ file: file.name, error }),
      ),
    );
  }
  return all;
}

/** 207 where some went well and others did not (RFC 4918 §11.1); of a single file, or where all failed, the first error is thrown. */
export function answerEach<T, A>(
  c: Context,
  all: readonly Each<T>[],
  schema: string,
  told: (result: T) => A,
): Response {
  const failed = all.filter((one) => "error" in one);
  if (failed.length === all.length && failed[0] !== undefined) throw failed[0].error;
  const results = all.map((one) =>
    "error" in one ? { file: one.file, error: problem(one.error) } : { file: one.file, ...told(one.result) },
  );
  return c.json({ schema, results }, failed.length > 0 ? 207 : 200);
}

const named = (bytes: Uint8Array, given: string | undefined): SourceFile => {
  const name = fileNameOf(bytes, given);
  return { bytes, name, at: name };
};
