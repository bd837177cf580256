import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { bundle } from "../../bundle/bundle.ts";
import { sharedFolder, trashnetFolder } from "../../datasets/shared.ts";
import { recordings } from "../../demo/board.ts";
import { markdownTable } from "../tables.ts";
import { startBoard } from "./board.ts";
import { type Footprint, footprint } from "./footprint.ts";
import { besideTraining, quantile, underSwaps } from "./latency.ts";

const STARTS = 5;
const IDLE_SECONDS = Number(process.env.LICHEN_IDLE_SECONDS ?? 60);
const [TURNS, SWAPS, EPOCHS, IDLE_TURN_MS] = [10, 100, 400, 4000];
const RECORDINGS = "scripts/demo/recordings/board-a";
/** A bigger network, by others. */
const PICTURES = { name: "mobilenet-v2-int8-labels", file: "models/mobilenet_v2_1.0_224.int8.tflite" };

/** What a daemon costs a board that has other things to do, and what training costs inference. */
export async function benchDevice(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen-bench-"));
  // The bundle keeps its place below the project, where its packages are.
  const bundled = "dist/bundled";
  await bundle(bundled);
  const program = path.join(bundled, "device", "lichend.js");
  try {
    const spoken = { model: "models/spoken-digits", sample: `${RECORDINGS}/test/zero/00.wav` };
    const rows = footprintRows(
      "spoken-digits",
      await measure({ program, folder: path.join(folder, "digits"), ...spoken }),
    );
    const pictures = await importPictures(path.join(folder, PICTURES.name));
    if (pictures)
      rows.push(
        ...footprintRows(PICTURES.name, await measure({ program, folder: path.join(folder, "pictures"), ...pictures })),
      );
    rows.push(...(await latencyRows(program, path.join(folder, "latency"))));
    const load = loadavg().map((of) => of.toFixed(1));
    return [
      `Load of the machine at the end (1, 5, 15 minutes): ${load.join(", ")}. Starts: median of ${STARTS}; idle: ${IDLE_SECONDS} s after as long a rest.`,
      "",
      markdownTable(["what", "measured", "target", ""], rows),
    ].join("\n");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** null where the network or pictures are not there. */
async function importPictures(model: string): Promise<{ model: string; sample: string } | null> {
  const file = path.join(sharedFolder(), PICTURES.file);
  const pictures = path.join(trashnetFolder(), "val", "glass");
  if (!existsSync(file) || !existsSync(pictures)) return null;
  const words = ["dist/device/lichen.js", "models", "get", PICTURES.name, "--from", file, "--out", model];
  await promisify(execFile)(process.execPath, words);
  return { model, sample: path.join(pictures, readdirSync(pictures).sort()[0]!) };
}

const measure = (of: { program: string; folder: string; model: string; sample: string }) =>
  footprint({ ...of, starts: STARTS, idleSeconds: IDLE_SECONDS });

function footprintRows(model: string, { daemon, bare, asked, ...found }: Footprint): string[][] {
  const ratio = daemon.rssBytes / bare.rssBytes;
  const hourlyBytes = (found.idleWrittenBytes * 3600) / found.idleSeconds;
  return [
    row(
      `${model}: resident, idle, of bare Node with the session`,
      `${mebibytes(daemon.rssBytes)} / ${mebibytes(bare.rssBytes)} = ${ratio.toFixed(2)} times (PSS ${mebibytes(daemon.pssBytes)} / ${mebibytes(bare.pssBytes)}, own pages ${mebibytes(daemon.anonBytes)} / ${mebibytes(bare.anonBytes)})`,
      "≤ 1.25 times",
      ratio <= 1.25,
    ),
    row(
      `${model}: the same, once asked over the socket`,
      `${mebibytes(asked.rssBytes)} = ${(asked.rssBytes / bare.rssBytes).toFixed(2)} times`,
      "",
      null,
    ),
    row(`${model}: start to first inference`, seconds(found.firstAnswerMs), "≤ 1.5 s", found.firstAnswerMs <= 1500),
    row(`${model}: idle CPU`, `${(100 * found.idleCpu).toFixed(2)} % of a core`, "< 0.5 %", found.idleCpu < 0.005),
    row(
      `${model}: written while idle`,
      `${found.idleWrittenBytes} bytes in ${found.idleSeconds} s, ${(hourlyBytes / 1000).toFixed(0)} KB an hour by that`,
      "< 100 KB an hour",
      hourlyBytes < 100_000,
    ),
  ];
}

async function latencyRows(program: string, folder: string): Promise<string[][]> {
  const files = await recordings(`${RECORDINGS}/test`);
  const board = await startBoard({
    program,
    folder,
    model: "models/spoken-digits",
    first: files[0]!.file,
    training: { epochs: EPOCHS },
  });
  try {
    for (const { file, label } of await recordings(`${RECORDINGS}/train`)) await board.sample(file, label);
    const { idle, training, failed } = await besideTraining(board, files, TURNS, IDLE_TURN_MS);
    const [without, beside] = [quantile(idle, 0.99), quantile(training, 0.99)];
    const swapped = await underSwaps(board, files, SWAPS);
    const slowest = Math.max(...swapped.milliseconds);
    return [
      row(
        "inference p99 beside training, of that without",
        `${beside.toFixed(1)} / ${without.toFixed(1)} ms = ${(beside / without).toFixed(2)} times (medians ${quantile(training, 0.5).toFixed(1)} / ${quantile(idle, 0.5).toFixed(1)} ms; ${training.length} and ${idle.length} inferences, ${failed} failed)`,
        "≤ 1.5 times",
        beside <= 1.5 * without,
      ),
      row(
        `${SWAPS} swaps of adapters under inference`,
        `${swapped.failed} of ${swapped.milliseconds.length + swapped.failed} inferences failed; the slowest took ${slowest.toFixed(1)} ms, p99 ${quantile(swapped.milliseconds, 0.99).toFixed(1)} ms`,
        "none failed",
        swapped.failed === 0,
      ),
    ];
  } finally {
    await board.stop();
  }
}

const row = (what: string, measured: string, target: string, isMet: boolean | null): string[] => [
  what,
  measured,
  target,
  isMet === null ? "" : isMet ? "met" : "missed",
];

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;
