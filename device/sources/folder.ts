import { stat } from "node:fs/promises";
import { basename, extname, join, relative, sep } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import { listed } from "../../runtime/listed.ts";
import type { Clock } from "../clock.ts";
import { type Disk, isMissing } from "../disk/disk.ts";
import { moveDurably, removeDurably, writeDurably } from "../disk/durable.ts";
import { labelFolder, RESERVED } from "../samples/label-folder.ts";
import { isRefusal, MAX_FILE_BYTES, type Sink, type Source } from "./source.ts";

export interface FolderSourceOptions {
  readonly name: string;
  readonly folder: string;
  readonly labels: readonly string[];
  /** A file counts as complete when it has not grown for so long. */
  readonly stableMs: number;
  readonly keepDone: number;
  /** How often the folder is looked through, for files that the disk kept us from taking or that no event told of. */
  readonly sweepMs: number;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * A watched folder. `<class>/x.wav` is a labelled sample: stored, then removed here, and that removal is the
 * acknowledgement. `inbox/x.wav` is inferred, then moved to `done/` with its result beside it. What cannot be used moves
 * to `rejected/` with the reason beside it. Nothing is ever deleted that was not stored.
 */
export function folderSource(options: FolderSourceOptions): Source {
  const { folder, labels, disk, log } = options;
  const labelOf = new Map(labels.map((label) => [labelFolder(label), label]));
  const place = (name: keyof typeof RESERVED) => join(folder, RESERVED[name]);
  const counts = { accepted: 0, inferred: 0, rejected: 0 };
  let seen = new Map<string, string>();
  let callOff = () => {};
  let watcher: FSWatcher | undefined;
  let inHand: Promise<void> = Promise.resolve();

  const enqueue = (path: string, sink: Sink) => {
    inHand = inHand.then(() => (watcher === undefined ? undefined : take(path, sink)));
  };

  async function take(path: string, sink: Sink): Promise<void> {
    try {
      await handle(path, sink);
    } catch (error) {
      if (isMissing(error)) return;
      log.warn({ err: error, path }, "file left where it is, and tried again later");
    }
  }

  async function handle(path: string, sink: Sink): Promise<void> {
    const [top = "", ...rest] = relative(folder, path).split(sep);
    const before = await fingerprint(path);
    const name = basename(path);
    try {
      const file = { bytes: await readWhole(path), name, at: path };
      if (rest.length > 0 && top === RESERVED.inbox) {
        const result = await sink.infer(file);
        counts.inferred++;
        await settle(path, place("done"), ".json", { ...result, file: name });
        await prune(place("done"), options.keepDone);
        return;
      }
      const label = rest.length === 0 ? undefined : labelOf.get(top);
      if (label === undefined) throw unknownClass(rest.length === 0 ? "no class folder" : top, path, labels);
      await sink.sample(file, label);
      counts.accepted++;
      // Somebody may have written a new file of that name while the old one was being stored: that one stays.
      // Gone for certain: coming back it would be taken again, and speak against whatever label the sample was given since.
      if ((await fingerprint(path)) === before) await removeDurably(disk, path);
      else enqueue(path, sink);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      counts.rejected++;
      log.warn({ code: error.code, path }, error.message);
      const reason = { code: error.code, message: error.message };
      await settle(path, place("rejected"), ".error.json", { ...reason, file: name, from: top });
    }
  }

  async function readWhole(path: string): Promise<Uint8Array> {
    const { bytes } = await disk.facts(path);
    if (bytes <= MAX_FILE_BYTES) return disk.read(path);
    throw new LichenError("BAD_SAMPLE", { at: path, found: `${bytes} bytes`, wanted: `at most ${MAX_FILE_BYTES}` });
  }

  /** Takes what lies there unchanged since the last sweep: a name that comes back quickly makes no event. */
  async function sweep(sink: Sink): Promise<void> {
    const now = new Map<string, string>();
    for (const name of [RESERVED.inbox, ...labelOf.keys()]) {
      for (const file of await disk.list(join(folder, name)).catch(() => [])) {
        const path = join(folder, name, file);
        const print = UNFINISHED.test(file) ? undefined : await fingerprint(path).catch(() => undefined);
        if (print === undefined) continue;
        now.set(path, print);
        if (seen.get(path) === print) await take(path, sink);
      }
    }
    seen = now;
  }

  /** Moves a file to its last place, under a free name, with what is to be known about it beside it. */
  async function settle(path: string, target: string, ending: string, note: object): Promise<void> {
    const taken = new Set(await disk.list(target));
    const name = freeName(basename(path), (candidate) => taken.has(candidate) || taken.has(`${candidate}${ending}`));
    await writeDurably(disk, join(target, `${name}${ending}`), new TextEncoder().encode(`${JSON.stringify(note)}\n`));
    await moveDurably(disk, path, join(target, name));
  }

  async function prune(target: string, keep: number): Promise<void> {
    const files = (await disk.list(target)).filter((name) => !name.endsWith(".json"));
    if (files.length <= keep) return;
    const aged = await Promise.all(
      files.map(async (name) => ({ name, modifiedMs: (await disk.facts(join(target, name))).modifiedMs })),
    );
    aged.sort((a, b) => a.modifiedMs - b.modifiedMs || a.name.localeCompare(b.name));
    for (const { name } of aged.slice(0, files.length - keep)) {
      await disk.remove(join(target, name));
      await disk.remove(join(target, `${name}.json`));
    }
  }

  return {
    name: options.name,
    async start(sink) {
      for (const name of [...labelOf.keys(), ...Object.values(RESERVED)]) await disk.makeFolder(join(folder, name));
      watcher = watch(folder, {
        depth: 1,
        ignored: (path) => path !== folder && (UNFINISHED.test(basename(path)) || isSettled(relative(folder, path))),
        awaitWriteFinish: { stabilityThreshold: options.stableMs, pollInterval: Math.max(20, options.stableMs / 4) },
      });
      watcher.on("add", (path) => enqueue(path, sink));
      watcher.on("change", (path) => enqueue(path, sink));
      watcher.on("error", (error) => log.error({ err: error }, "the folder cannot be watched"));
      await new Promise<void>((ready) => watcher?.once("ready", ready));
      const sweepAgain = () => {
        callOff = options.clock.after(options.sweepMs, () => {
          inHand = inHand.then(() => sweep(sink)).finally(() => watcher && sweepAgain());
        });
      };
      sweepAgain();
    },
    async stop() {
      const stopping = watcher;
      watcher = undefined;
      callOff();
      await stopping?.close();
      await inHand;
    },
    counts: () => ({ ...counts }),
  };
}

/** Hidden and temporary names are files still being written, by whoever writes them. */
const UNFINISHED = /^\.|\.(tmp|part)$/;

const isSettled = (path: string): boolean =>
  [RESERVED.done, RESERVED.rejected].some((name) => path.split(sep)[0] === name);

const unknownClass = (found: string, at: string, labels: readonly string[]) =>
  new LichenError("UNKNOWN_CLASS", { at, found, wanted: listed([RESERVED.inbox, ...labels]) });

/** Changes whenever the file under a name is another, or has been written again. */
async function fingerprint(path: string): Promise<string> {
  const found = await stat(path);
  if (!found.isFile()) throw new LichenError("BAD_SAMPLE", { at: path, wanted: "a file" });
  const { ino, size, mtimeMs } = found;
  return `${ino}:${size}:${mtimeMs}`;
}

function freeName(name: string, isTaken: (candidate: string) => boolean): string {
  if (!isTaken(name)) return name;
  const ending = extname(name);
  const stem = name.slice(0, name.length - ending.length);
  for (let n = 2; ; n++) if (!isTaken(`${stem}~${n}${ending}`)) return `${stem}~${n}${ending}`;
}
