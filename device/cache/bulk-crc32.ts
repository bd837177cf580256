import * as zlib from "node:zlib";
import { crc32 } from "./crc32.ts";

/** Of megabytes: zlib's own where Node offers it (from 20.15 and 22.2 on), about ten times faster. */
export const bulkCrc32: (bytes: Uint8Array) => number = zlib.crc32 ?? crc32;
