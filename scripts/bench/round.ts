import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DEFAULT_TRAINING } from "../../runtime/index.ts";
import { NETWORKS } from "./networks/index.ts";
import { findTorch, type PeerOptions, runPeer } from "./pytorch.ts";
import type { RoundJob, RoundResult } from "./round-job.ts";
import { markdownTable } from "./tables.ts";

const THREADS = [1, 2];
const SAMPLES = 200;
const EPOCHS = 20;
const { batch, holdOut } = DEFAULT_TRAINING;
/** PyTorch takes as many: it, too, is spared the samples that are held out. */
const STEPS = EPOCHS * Math.ceil((SAMPLES * (1 - holdOut)) / batch);
/** Of PyTorch, after two to warm up. */
const MEASURED_STEPS = 5;

/**
 * A whole round: Lichen chooses what to train, tries learning rates, fills its cache and trains; PyTorch trains everything, or what
 * Lichen has chosen, for as many steps. Nothing is subtracted from Lichen's time; PyTorch's is that of its steps alone.
 */
export async function benchRound(): Promise<string> {
  const torch = await findTorch();
  if ("skipped" in torch) return torch.skipped;
  const rows: string[][] = [];
  for (const network of Object.keys(NETWORKS)) {
    for (const threads of THREADS) rows.push(await compare(network, threads));
  }
  const header = ["network", "threads", "Lichen", "PyTorch, everything", "times", "PyTorch, the same layers", "times"];
  return [
    `${SAMPLES} samples, ${EPOCHS} epochs, batches of ${batch}, \`adaptive\` as it comes to a base that is nearly right: its choice, its`,
    "learning rate, cache and training. The samples are arbitrary; times do not depend on them.",
    `PyTorch ${torch.version}: the median of ${MEASURED_STEPS} steps after two, times ${STEPS} steps. The same layers: their weights where Lichen`,
    "trains weights of some channels, their biases where it trains less; the frozen layers before them run in each step.",
    "Memory: what Lichen holds for training at most, and what PyTorch's process has grown by when it trains everything.",
    "",
    markdownTable([...header, "Lichen holds", "PyTorch holds", "share"], rows),
  ].join("\n");
}

async function compare(network: string, threads: number): Promise<string[]> {
  const { seconds, stateBytes, chosen } = await runAlone({ network, samples: SAMPLES, epochs: EPOCHS, threads });
  const peer = (of: Pick<PeerOptions, "variant" | "layers">) =>
    runPeer({ network, threads, batch, steps: MEASURED_STEPS, ...of });
  const full = await peer({ variant: "full" });
  const partial = await peer({ variant: "layers", layers: chosen.map(({ at, part }) => `${at}:${part}`) });
  const [fullSeconds, partialSeconds] = [full, partial].map(({ milliseconds }) => (milliseconds * STEPS) / 1000) as [
    number,
    number,
  ];
  const grown = full.peakBytes - full.importedBytes;
  return [
    network,
    String(threads),
    `${seconds.toFixed(1)} s`,
    `${fullSeconds.toFixed(1)} s`,
    (fullSeconds / seconds).toFixed(1),
    `${partialSeconds.toFixed(1)} s`,
    (partialSeconds / seconds).toFixed(1),
    megabytes(stateBytes),
    megabytes(grown),
    `1/${(grown / stateBytes).toFixed(1)}`,
  ];
}

const runFile = promisify(execFile);

async function runAlone(job: RoundJob): Promise<RoundResult> {
  const script = fileURLToPath(new URL("./round-job.js", import.meta.url));
  // What the C library has been given back and keeps would serve a run unseen.
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "65536" };
  const { stdout } = await runFile(process.execPath, [script, JSON.stringify(job)], { env });
  return JSON.parse(stdout);
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
