/**
 * 24 hours of a board whose place drifts away from its model, with the real daemon: `npm run drift [-- --seed N --hours H --out FOLDER]`.
 * Writes `drift.json` and `drift.svg`. With the Free Spoken Digit Dataset (`LICHEN_SHARED`) two people speak whom the base does not know;
 * without it the voices of the demo.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startBoard } from "./board.ts";
import { liveDay } from "./day.ts";
import { driftSvg } from "./plot.ts";
import { mean } from "./result.ts";
import { loadVoices } from "./voices.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    hours: { type: "string", default: "24" },
    out: { type: "string", default: "scripts/drift" },
    /** JSON, into `training` of the configuration. */
    training: { type: "string", default: "{}" },
  },
});
const [WORDS, LABELLED_EVERY, MIN_NEW_SAMPLES] = [30, 5, 20];
/** Some 200 recordings: a few hours of labels. */
const MAX_BYTES = 1_500_000;

const folder = await mkdtemp(path.join(tmpdir(), "lichen-drift-"));
const startedMs = performance.now();
const percent = (share: number) => `${(100 * share).toFixed(0)} %`.padStart(5);
const board = await startBoard({
  folder,
  training: JSON.parse(values.training),
  minNewSamples: MIN_NEW_SAMPLES,
  maxBytes: MAX_BYTES,
});
try {
  const result = await liveDay(board, {
    seed: Number(values.seed),
    hours: Number(values.hours),
    voices: await loadVoices(),
    words: WORDS,
    labelledEvery: LABELLED_EVERY,
    onHalfHour({ hour, speaker, withLichen, without }, rounds) {
      const news = rounds
        .filter((round) => round.hour === hour)
        .map(({ reason, seconds }) => `${reason} in ${seconds.toFixed(1)} s`);
      process.stdout.write(
        `${hour.toFixed(1).padStart(4)} h  ${speaker.padEnd(9)} with Lichen ${percent(withLichen)}  without ${percent(without)}  ${news.join(", ")}\n`,
      );
    },
  });
  await writeFile(path.join(values.out, "drift.json"), `${JSON.stringify(result, null, 1)}\n`);
  await writeFile(path.join(values.out, "drift.svg"), driftSvg(result));
  const { halfHours, rounds } = result;
  const averages = [halfHours.map((at) => at.withLichen), halfHours.map((at) => at.without)].map((all) =>
    percent(mean(all)).trim(),
  );
  process.stdout.write(
    `the day's mean: ${averages[0]} with Lichen, ${averages[1]} without; ${rounds.filter((round) => round.accepted).length} of ${rounds.length} rounds accepted; ${((performance.now() - startedMs) / 60_000).toFixed(1)} minutes\n`,
  );
} finally {
  await board.stop();
  await rm(folder, { recursive: true, force: true });
}
