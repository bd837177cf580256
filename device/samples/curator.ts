import type { Labelling } from "../labels/labelling.ts";
import type { LabelRequest } from "../labels/request.ts";
import { MAX_FILE_BYTES } from "../sources/source.ts";
import { type About, exportSamples, type Imported, importSamples } from "./archive.ts";
import { type Purged, type PurgeOptions, purge } from "./purge.ts";
import type { LabelOrigin, StoredSample } from "./sample.ts";
import { type Selector, selected } from "./selector.ts";
import type { IncomingSample, SampleStore, Stored } from "./store.ts";

/** What people and programs do with samples that are there. */
export interface Curator {
  samples(): readonly StoredSample[];
  label(request: LabelRequest, origin: LabelOrigin): ReturnType<Labelling["label"]>;
  /** @throws NO_SUCH_SAMPLE */
  export(selector: Selector): ReadableStream<Uint8Array>;
  /** @throws BAD_ARCHIVE, STORAGE_FAILED; what was taken in before stays */
  import(archive: ReadableStream<Uint8Array>): Promise<Imported>;
  /** What a purge would erase. @throws NO_SUCH_SAMPLE */
  selected(selector: Selector): readonly StoredSample[];
  /** @throws NO_SUCH_SAMPLE, ROUND_RUNNING, STORAGE_FAILED */
  purge(selector: Selector): Promise<Purged>;
}

export interface CuratorOptions extends Omit<PurgeOptions, "store"> {
  readonly store: SampleStore;
  readonly labelling: Labelling;
  /** A sample of an archive, looked at as any other. @throws what its bytes are refused for */
  readonly take: (sample: IncomingSample, file: string) => Promise<Stored>;
  readonly about: Omit<About, "exportedAt">;
}

export function createCurator(options: CuratorOptions): Curator {
  const { store, labelling, take, about, disk, clock } = options;
  const chosen = (selector: Selector) =>
    selected(store.all(), selector, { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() });
  return {
    samples: store.all,
    label: labelling.label,
    selected: chosen,
    export: (selector) =>
      exportSamples(chosen(selector), { ...about, exportedAt: new Date(clock.wallMs()).toISOString() }, disk.read),
    import: (archive) =>
      importSamples(archive, { take, modelSha256: about.model.sha256, maxFileBytes: MAX_FILE_BYTES }),
    purge: (selector) => purge(selector, options),
  };
}
