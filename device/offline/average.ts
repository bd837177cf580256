import { averageAdapters, samplesOf } from "../../runtime/adapter/average.ts";
import { nodeDisk } from "../disk/disk.ts";
import { writeDurably } from "../disk/durable.ts";
import { readAdapter } from "./adapter-file.ts";
import { createdAt } from "./created-at.ts";
import { makePlaceFor } from "./place.ts";

/** The schema of `lichen average --json`. */
export interface OfflineAverageResult {
  schema: "lichen/average/1";
  out: string;
  sha256: string;
  bytes: number;
  method: string;
  /** What went in, with the samples it was weighed by. */
  adapters: { file: string; sha256: string; samples: number }[];
}

/** The mean of adapters of one base and method, weighted by their samples. */
export async function runOfflineAverage(files: readonly string[], out: string): Promise<OfflineAverageResult> {
  const adapters = await Promise.all(files.map(readAdapter));
  const averaged = averageAdapters(adapters, { createdAt: createdAt() });
  await makePlaceFor(out);
  await writeDurably(nodeDisk, out, averaged.bytes);
  return {
    schema: "lichen/average/1",
    out,
    sha256: averaged.sha256,
    bytes: averaged.bytes.length,
    method: averaged.description.method,
    adapters: adapters.map((adapter, at) => ({
      file: files[at]!,
      sha256: adapter.sha256,
      samples: samplesOf(adapter),
    })),
  };
}
