import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { throughputFrom } from "../../runtime/plan/predict.ts";
import type { PlannerJob, PlannerResult } from "./planner-job.ts";
import { markdownTable, median } from "./tables.ts";

const SMALL = ["bias", "head+bias", "bias+scale", "sparse", "lora", "full"].flatMap((method) =>
  [16, 64].map(
    (batch): PlannerJob => ({ network: "spoken-digits", method, where: "whole depth", batch, samples: 200 }),
  ),
);

const LARGE = (["whole depth", "last blocks"] as const).map(
  (where): PlannerJob => ({ network: "mobilenet-v2", method: "bias", where, batch: 8, samples: 40 }),
);

/** What the planner predicts, beside what is measured: each plan in a process of its own, one thread. */
export async function benchPlanner(): Promise<string> {
  const results: PlannerResult[] = [];
  for (const job of [...SMALL, ...LARGE]) results.push(await runAlone(job));
  // Seconds follow from one number for the machine, which these very steps give: what is to be seen is how well one number does.
  const rate = median(
    results.map(({ prediction, secondsPerStep }) => throughputFrom(prediction.operations, secondsPerStep).elements),
  );
  const perMac = median(
    results.map(
      ({ prediction, secondsPerStep }) => throughputFrom(prediction.operations, secondsPerStep).multiplyAccumulates,
    ),
  );
  const rows = results.map(({ job, prediction, measuredBytes, secondsPerStep }) => {
    const { trainingStateBytes, operations } = prediction;
    const seconds = operations.multiplyAccumulates / perMac + operations.elements / rate;
    return [
      job.network,
      `${job.method}, ${job.where}`,
      String(job.batch),
      megabytes(trainingStateBytes),
      megabytes(measuredBytes),
      (trainingStateBytes / measuredBytes).toFixed(2),
      `${(seconds * 1000).toFixed(1)} ms`,
      `${(secondsPerStep * 1000).toFixed(1)} ms`,
    ];
  });
  return markdownTable(
    ["network", "plan", "batch", "state predicted", "measured", "ratio", "step predicted", "measured"],
    rows,
  );
}

const runFile = promisify(execFile);

// What the C library has been given back and keeps would serve a run unseen.
const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "65536" };

async function runAlone(job: PlannerJob): Promise<PlannerResult> {
  const script = fileURLToPath(new URL("./planner-job.js", import.meta.url));
  const { stdout } = await runFile(process.execPath, [script, JSON.stringify(job)], { env });
  return JSON.parse(stdout);
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
