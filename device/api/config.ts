import { isIP } from "node:net";
import * as z from "zod";
import { MAX_FILE_BYTES } from "../sources/source.ts";

/** Whoever guesses it gets in: as long as a good key. */
const MIN_TOKEN = 16;

/** HTTP over the network: `/v1/infer`, `/v1/samples` and what else the socket offers; without this key, none. */
export const httpSchema = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe("The address to listen on. Any but a loopback address needs a token."),
    port: z.int().min(0).max(65_535).describe("0 takes a free one, which the log names."),
    token: z
      .string()
      .min(MIN_TOKEN, `at least ${MIN_TOKEN} characters`)
      .optional()
      .describe("With it, requests must carry `Authorization: Bearer <token>` and may do all that the socket may."),
    maxBodyBytes: z
      .int()
      .min(1024)
      .max(MAX_FILE_BYTES)
      .default(16 * 1024 * 1024)
      .describe("A bigger body is refused."),
    maxUploads: z.int().positive().default(4).describe("So many bodies may be on their way at once."),
    maxConnections: z.int().positive().default(64).describe("So many clients may be connected at once."),
    requestSeconds: z.number().positive().default(60).describe("A request that is not whole after so long is dropped."),
  })
  .refine(({ host, token }) => isLoopback(host) || token !== undefined, {
    path: ["token"],
    error: `a token of at least ${MIN_TOKEN} characters, since host is no loopback address`,
  });

export type HttpConfig = z.output<typeof httpSchema>;

export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}
