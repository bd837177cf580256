import { rm } from "node:fs/promises";
import Database from "libsql/promise";
import { crc32 } from "../cache/crc32.ts";
import type { Position } from "./journal.ts";
import { type Entry, entrySchema } from "./sample.ts";
import type { SampleIndex } from "./sample-index.ts";

/*
 * One row a sample: its hash, and its entry as JSON behind a checksum, since SQLite does not notice a flipped bit inside of a value.
 * Both are blobs: the driver ends the process over a damaged text that is no UTF-8. A commit is written, not synced, and costs some
 * 0.1 ms; the log goes into the database now and then, in a thread of the driver's, because a card may take a second over it.
 */

const FORMAT = 1;

const SETTINGS = [
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = NORMAL",
  // What is removed is overwritten with zeros.
  "PRAGMA secure_delete = ON",
  "PRAGMA wal_autocheckpoint = 0",
  // 256 KiB: a start reads it all once, and nobody reads it after.
  "PRAGMA cache_size = -256",
];

const TABLES = `
  CREATE TABLE IF NOT EXISTS samples (sha256 BLOB PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS covered (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER, bytes INTEGER);
  PRAGMA user_version = ${FORMAT};
`;

const CHANGES_PER_CHECKPOINT = 200;

/** @param path of the database file @param erase overwrites a file before it is removed */
export function sqlIndex(path: string, erase: (path: string) => Promise<void>): SampleIndex {
  let open: Open | undefined;
  let changes = 0;

  async function opened(): Promise<Open> {
    open ??= await openDatabase(path);
    return open;
  }

  async function change(act: (to: Open) => void): Promise<void> {
    const to = await opened();
    await to.database.exec("BEGIN");
    try {
      act(to);
      await to.database.exec("COMMIT");
    } catch (error) {
      await to.database.exec("ROLLBACK").catch(() => undefined);
      throw error;
    }
    changes++;
    if (changes % CHANGES_PER_CHECKPOINT === 0) await checkpoint(to);
  }

  const close = () => {
    open?.database.close();
    open = undefined;
  };

  return {
    async load() {
      const { database } = await opened();
      const [{ user_version: format }] = await all<[{ user_version: number }]>(database, "PRAGMA user_version");
      if (format !== FORMAT) throw new Error(`an index of format ${format}, wanted ${FORMAT}`);
      const rows = await all<{ entry: ArrayBuffer }[]>(database, "SELECT entry FROM samples");
      const [position] = await all<Position[]>(database, "SELECT generation, bytes FROM covered");
      return { entries: rows.map(({ entry }) => unsealed(entry)), position };
    },
    put: (entries, position) =>
      change((to) => {
        for (const entry of entries) to.put.run(key(entry.sha256), sealed(entry));
        to.cover.run(position.generation, position.bytes);
      }),
    remove: (sha256s) =>
      change((to) => {
        for (const sha256 of sha256s) to.remove.run([key(sha256)]);
      }),
    async rewrite({ entries, position }) {
      close();
      for (const ending of ["-wal", ""]) await erase(`${path}${ending}`);
      await removeDatabase(path);
      await change((to) => {
        for (const entry of entries) to.put.run(key(entry.sha256), sealed(entry));
        if (position) to.cover.run(position.generation, position.bytes);
      });
    },
    async close() {
      if (open) await checkpoint(open).catch(() => undefined);
      close();
    },
  };
}

/** Beside a database there may be its log and its shared memory. */
const removeDatabase = async (path: string): Promise<void> => {
  for (const ending of ["", "-wal", "-shm", "-journal"]) await rm(`${path}${ending}`, { force: true });
};

/** A prepared statement; the driver's own types leave it open. */
interface Statement {
  run(...values: unknown[]): unknown;
}

interface Open {
  readonly database: Database;
  readonly put: Statement;
  readonly remove: Statement;
  readonly cover: Statement;
}

async function openDatabase(path: string): Promise<Open> {
  const database = new Database(path, {});
  try {
    for (const setting of SETTINGS) await database.exec(setting);
    await database.exec(TABLES);
    return {
      database,
      put: await database.prepare("INSERT OR REPLACE INTO samples VALUES (?, ?)"),
      remove: await database.prepare("DELETE FROM samples WHERE sha256 = ?"),
      cover: await database.prepare("INSERT OR REPLACE INTO covered VALUES (1, ?, ?)"),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

const all = async <Rows>(database: Database, query: string): Promise<Rows> =>
  (await database.prepare(query)).all() as Promise<Rows>;

const checkpoint = (to: Open): Promise<void> => to.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");

const key = (sha256: string): Buffer => Buffer.from(sha256, "hex");

const CHECKSUM_BYTES = 4;

function sealed(entry: Entry): Buffer {
  const json = Buffer.from(JSON.stringify(entry));
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(json));
  return Buffer.concat([checksum, json]);
}

function unsealed(stored: ArrayBuffer): Entry {
  const bytes = Buffer.from(stored);
  const json = bytes.subarray(CHECKSUM_BYTES);
  if (bytes.length < CHECKSUM_BYTES || bytes.readUInt32LE() !== crc32(json)) throw new Error("a damaged entry");
  return entrySchema.parse(JSON.parse(json.toString("utf8")));
}
