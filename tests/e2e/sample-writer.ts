import { createHash } from "node:crypto";
import { join } from "node:path";
import pino from "pino";
import { systemClock } from "../../device/clock.ts";
import { nodeDisk } from "../../device/disk/disk.ts";
import { openRandomAccess } from "../../device/disk/random-access.ts";
import { createErase } from "../../device/samples/erase.ts";
import { INDEX_FOLDER } from "../../device/samples/open.ts";
import type { LabelOrigin } from "../../device/samples/sample.ts";
import { sqlIndex } from "../../device/samples/sql-index.ts";
import { createSampleStore } from "../../device/samples/store.ts";

/*
 * A process to be killed: it stores, labels, takes back and erases as fast as it can, and says on stdout what has been acknowledged, one
 * line each, `sha256 label origin` or `sha256 gone`.
 */
const [directory, run] = process.argv.slice(2) as [string, string];
const erase = createErase(nodeDisk, openRandomAccess);
const store = createSampleStore({
  directory,
  labels: ["one", "two"],
  maxBytes: 1e9,
  privacy: "raw",
  madeBy: "",
  index: sqlIndex(join(directory, INDEX_FOLDER, "index.db"), erase),
  erase,
  disk: nodeDisk,
  clock: systemClock,
  log: pino({ level: "silent" }),
});

const say = (...words: (string | null)[]) => process.stdout.write(`${words.join(" ")}\n`);

await store.start();
const labels: readonly (readonly [string | null, LabelOrigin])[] = [
  ["one", "confidence"],
  ["two", "person"],
  [null, "person"],
];
for (let sample = 0; ; sample++) {
  const bytes = new TextEncoder().encode(`${run} ${sample}`);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  await store.add({ bytes, label: null, extension: ".wav", source: run });
  say(sha256, null, null);
  for (const [label, origin] of labels.slice(0, sample % 4)) {
    say(sha256, "trying", label);
    await store.label(sha256, label, origin);
    say(sha256, label, origin);
  }
  if (sample % 5 === 4) {
    say(sha256, "trying", "gone");
    await store.erase([sha256]);
    say(sha256, "gone", null);
  }
}
