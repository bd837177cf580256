import { type RealJob, runJob } from "./job.ts";
import { newObjects } from "./new-objects.ts";
import { newWords } from "./new-words.ts";
import { speakers } from "./speakers.ts";
import { trashnet } from "./trashnet.ts";
import { weather } from "./weather.ts";

const JOBS: Readonly<Record<string, RealJob>> = {
  trashnet,
  speakers,
  weather,
  "new-objects": newObjects,
  "new-words": newWords,
};

/** Models as others ship them, adapted to what they were not made for; hours, on a small machine. @param names all jobs, without any */
export async function benchReal(threads: number, names: readonly string[], seeds: number): Promise<string> {
  const tried = Array.from({ length: seeds }, (_, at) => at + 1);
  const tables: string[] = [];
  for (const name of names.length > 0 ? names : Object.keys(JOBS)) {
    const job = JOBS[name];
    if (!job) throw new Error(`no job ${name}: choose from ${Object.keys(JOBS).join(", ")}`);
    tables.push(`#### ${name}\n\n${await runJob(job, tried, threads)}`);
  }
  return tables.join("\n\n");
}
