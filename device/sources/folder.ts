import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, sep } from "node:path";
import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import { listed } from "../../runtime/listed.ts";
import type { Clock } from "../clock.ts";
import { type Disk, isMissing } from "../disk/disk.ts";
import { moveDurably, removeDurably, writeDurably } from "../disk/durable.ts";
import { labelFolder, RESERVED } from "../samples/label-folder.ts";
import { createFolderBell } from "./folder-bell.ts";
import { isRefusal, MAX_FILE_BYTES, type Sink, type Source } from "./source.ts";

export interface FolderSourceOptions {
  readonly name: string;
  readonly folder: string;
  readonly labels: readonly string[];
  /** A file counts as complete when it has not grown for so long. */
  readonly stableMs: number;
  readonly keepDone: number;
  /** How often at most the folder is looked through, for files that the disk kept us from taking or that no event told of. */
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
  /** Files that may be whole: what they were like, and since when. */
  let seen = new Map<string, { print: string; sinceMs: number }>();
  let isRunning = false;
  let isLooking = false;
  let isRung = false;
  let openedInMs = 0;
  const callOffs: Record<"bell" | "look" | "sweep", () => void> = { bell: () => {}, look: () => {}, sweep: () => {} };
  let inHand: Promise<void> = Promise.resolve();

  /** @returns false: the disk, or what stands behind the sink, takes nothing now */
  async function take(path: string, sink: Sink): Promise<boolean> {
    try {
      await handle(path, sink);
      return true;
    } catch (error) {
      if (isMissing(error)) return true;
      log.warn({ err: error, path }, "file left where it is, and tried again later");
      return false;
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

  /** What lies there to be taken, by name alone: of ten thousand files only the next few are looked at. */
  async function* waiting(folders: readonly string[]): AsyncIterable<string> {
    for (const place of [folder, ...folders]) {
      for (const entry of await readdir(place, { withFileTypes: true }).catch(() => []))
        if (!UNFINISHED.test(entry.name) && !(place === folder && entry.isDirectory())) yield join(place, entry.name);
    }
  }

  async function openFolders(): Promise<string[]> {
    const entries = await readdir(folder, { withFileTypes: true });
    const isOpen = (name: string) => !UNFINISHED.test(name) && !isSettled(name);
    return entries.filter((entry) => entry.isDirectory() && isOpen(entry.name)).map(({ name }) => join(folder, name));
  }

  /** Takes files that have not changed for a while, up to so many. @returns whether there may be more to do soon */
  async function look(sink: Sink, folders: readonly string[]): Promise<boolean> {
    const now: typeof seen = new Map();
    /** Where something could not be taken: the rest of that folder waits for the next sweep. */
    const stuck = new Set<string>();
    let looked = 0;
    for await (const path of waiting(folders)) {
      if (!isRunning || looked >= AT_ONCE) break;
      if (stuck.has(dirname(path))) continue;
      const print = await fingerprint(path).catch(() => undefined);
      if (print === undefined) continue;
      const nowMs = options.clock.monotonicMs();
      const before = seen.get(path);
      const one = before?.print === print ? before : { print, sinceMs: nowMs };
      now.set(path, one);
      looked++;
      if (nowMs - one.sinceMs >= options.stableMs && !(await take(path, sink))) stuck.add(dirname(path));
    }
    seen = now;
    return looked > stuck.size;
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
    aged.sort((a, b) => a.modifiedMs - b.modifiedMs || (a.name < b.name ? -1 : 1));
    for (const { name } of aged.slice(0, files.length - keep)) {
      await disk.remove(join(target, name));
      await disk.remove(join(target, `${name}.json`));
    }
  }

  return {
    name: options.name,
    async start(sink) {
      for (const name of [...labelOf.keys(), ...Object.values(RESERVED)]) await disk.makeFolder(join(folder, name));
      isRunning = true;
      const bell = createFolderBell(() => lookSoon(), log);
      const lookSoon = () => {
        isRung = true;
        if (!isRunning || isLooking) return;
        isLooking = true;
        callOffs.look = options.clock.after(options.stableMs, () => {
          inHand = lookNow().finally(() => {
            isLooking = false;
            if (isRung) lookSoon();
          });
        });
      };
      const lookNow = async () => {
        isRung = false;
        try {
          const startedMs = options.clock.monotonicMs();
          const folders = await openFolders();
          await bell.listenTo([folder, ...folders]);
          openedInMs = options.clock.monotonicMs() - startedMs;
          if (await look(sink, folders)) isRung = true;
        } catch (error) {
          log.error({ err: error }, "the folder cannot be looked through");
        }
      };
      const sweepAgain = () => {
        callOffs.sweep = options.clock.after(restMs(openedInMs, options.sweepMs), () => {
          lookSoon();
          sweepAgain();
        });
      };
      callOffs.bell = bell.close;
      await bell.listenTo([folder, ...(await openFolders())]);
      lookSoon();
      sweepAgain();
    },
    async stop() {
      isRunning = false;
      for (const callOff of Object.values(callOffs)) callOff();
      await inHand;
    },
    counts: () => ({ ...counts }),
  };
}

/**
 * Until the next sweep: a thousand classes are a thousand folders, and an idle board should not spend its time on them. A sweep takes all
 * threads together some five times as long as opening them, so that it costs about 0.5 % of a core, until its rest is a dozen times the
 * usual one.
 */
export const restMs = (openedInMs: number, sweepMs: number): number =>
  Math.min(Math.max(sweepMs, 1000 * openedInMs), 12 * sweepMs);

/** Files that are looked at in one go: between two, whoever waits for the disk has a turn. */
const AT_ONCE = 64;

/** Hidden and temporary names are files still being written, by whoever writes them. */
const UNFINISHED = /^\.|\.(tmp|part)$/;

const isSettled = (name: string): boolean => name === RESERVED.done || name === RESERVED.rejected;

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
