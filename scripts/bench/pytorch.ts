import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

const SCRIPT = "scripts/peers/pytorch.py";
/** A Python with torch. */
const PYTHON = process.env.LICHEN_PYTHON ?? "python3";

export interface PeerOptions {
  network: string;
  variant: string;
  threads: number;
  batch: number;
  steps: number;
  /** Of the variant `layers`: each a place among the layers with weights, and `bias` or `whole`. */
  layers?: readonly string[];
}

export interface PeerResult {
  milliseconds: number;
  peakBytes: number;
  importedBytes: number;
}

/** Which PyTorch there is, or why nothing can be compared with it. */
export async function findTorch(): Promise<{ version: string } | { skipped: string }> {
  const torch = await run(PYTHON, ["-c", "import torch; print(torch.__version__)"]).catch(() => null);
  if (torch) return { version: torch.stdout.trim() };
  return { skipped: `(skipped: ${PYTHON} has no torch; ${SCRIPT} says which packages, LICHEN_PYTHON which Python)` };
}

/** Steps of PyTorch, in a process of their own. */
export async function runPeer({ network, variant, threads, batch, steps, layers }: PeerOptions): Promise<PeerResult> {
  const { stdout } = await run(PYTHON, [
    ...[SCRIPT, "--network", network, "--variant", variant],
    ...["--threads", `${threads}`, "--batch", `${batch}`, "--steps", `${steps}`],
    ...(layers ? ["--layers", layers.join(",")] : []),
  ]);
  return JSON.parse(stdout);
}
