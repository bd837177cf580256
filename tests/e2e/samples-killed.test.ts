import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pino from "pino";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../device/clock.ts";
import { nodeDisk } from "../../device/disk/disk.ts";
import { openRandomAccess } from "../../device/disk/random-access.ts";
import { createErase } from "../../device/samples/erase.ts";
import { INDEX_FOLDER } from "../../device/samples/open.ts";
import { sqlIndex } from "../../device/samples/sql-index.ts";
import { createSampleStore } from "../../device/samples/store.ts";

const WRITER = fileURLToPath(new URL("../../dist/tests/e2e/sample-writer.js", import.meta.url));
const KILLS = 50;
// Most of it is Node, started fifty times.
const TIMEOUT_MS = 300_000;

/** The last thing said of each sample: in force, or under way. */
type Said = Map<string, { acknowledged: string; trying: string | undefined }>;

/** Lets a writer run for so long, then kills it; what it said is complete, since a pipe keeps what was written to it. */
async function killed(directory: string, run: number, afterMs: number, said: Said): Promise<void> {
  const child = spawn(process.execPath, [WRITER, directory, `run-${run}`], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    // From the first word on: before it, the writer only starts.
    if (text === "") setTimeout(() => child.kill("SIGKILL"), afterMs);
    text += chunk;
  });
  await once(child, "close");
  expect(child.signalCode).toBe("SIGKILL");
  // What follows the last newline was cut off: not said.
  for (const line of text.split("\n").slice(0, -1)) {
    const [sha256, ...words] = line.split(" ");
    const before = said.get(sha256!);
    if (words[0] === "trying") said.set(sha256!, { acknowledged: before!.acknowledged, trying: words[1]! });
    else said.set(sha256!, { acknowledged: words[0]!, trying: undefined });
  }
}

async function opened(directory: string) {
  const erase = createErase(nodeDisk, openRandomAccess);
  const store = createSampleStore({
    ...{ directory, labels: ["one", "two"], maxBytes: 1e9, privacy: "raw", madeBy: "", erase },
    index: sqlIndex(join(directory, INDEX_FOLDER, "index.db"), erase),
    disk: nodeDisk,
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
  await store.start();
  return store;
}

test(`killed at ${KILLS} random instants, the sample store has all that it acknowledged and no label without a file`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "lichen killed "));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const said: Said = new Map();
  let lostIndexes = 0;
  for (let run = 0; run < KILLS; run++) {
    await killed(directory, run, Math.random() * 100, said);
    // Now and then the index goes too, which is no loss.
    if (run % 10 === 9) {
      await rm(join(directory, INDEX_FOLDER, "index.db"), { force: true });
      lostIndexes++;
    }
    const store = await opened(directory);
    const found = new Map(store.all().map((sample) => [sample.sha256, sample]));
    for (const [sha256, { acknowledged, trying }] of said) {
      const sample = found.get(sha256);
      const is = sample === undefined ? "gone" : (sample.label ?? "");
      expect([acknowledged, trying], `sample ${sha256} of run ${run}`).toContain(is);
    }
    for (const { path, sha256, source } of found.values()) {
      expect(path).toContain(sha256);
      expect(await readFile(path, "utf8")).toContain(`${source} `);
    }
    await store.stop();
  }
  expect(lostIndexes).toBe(5);
  expect(said.size).toBeGreaterThan(KILLS);
  const left = (await readdir(directory, { recursive: true })).filter((name) => /\.(tmp|erasing|before)$/.test(name));
  expect(left).toEqual([]);
});
