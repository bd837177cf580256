import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { childProcessJobs } from "../../../device/rounds/child.ts";
import type { Job, JobProgress } from "../../../device/rounds/job.ts";
import { silent, temporaryFolder } from "../fixtures.ts";

const job: Job = {
  kind: "appraise",
  model: "m",
  samples: [],
  candidate: "c",
  threads: 1,
  gate: { minHeldOut: 1, maxForgetting: 0 },
};

const score = { heldOut: null, rehearsal: null };
const verdict = {
  decision: { accepted: true, reason: "GAIN", explanation: "" },
  metrics: { before: score, after: score },
  sha256: "a",
  unreadable: [],
};

/** A stand-in for the training process that does what `script` says with the job. */
async function run(script: string, hangMs = 60_000, signal = new AbortController().signal) {
  const trainer = join(await temporaryFolder(), "trainer.mjs");
  await writeFile(trainer, `process.once("message", async (job) => { ${script} });`);
  const progress: JobProgress[] = [];
  const done = childProcessJobs({ trainer, hangMs, log: silent })(job, { onProgress: (p) => progress.push(p), signal });
  return { done, progress };
}

test("a job goes over, progress and a verdict come back", async () => {
  const { done, progress } = await run(`
    process.send({ tag: "alive" });
    process.send({ tag: "progress", progress: { phase: "train", done: 1, total: 2 } });
    process.send({ tag: "done", verdict: { ...${JSON.stringify(verdict)}, sha256: job.candidate } });
    process.disconnect();`);
  expect(await done).toEqual({ ...verdict, sha256: "c" });
  expect(progress).toEqual([{ phase: "train", done: 1, total: 2 }]);
});

test("an error of the runtime keeps its code across the process border", async () => {
  const { done } = await run(`process.send({ tag: "failed", code: "DIVERGED", message: "…", found: "NaN" });`);
  await expect(done).rejects.toMatchObject({ code: "DIVERGED", details: { found: "NaN" } });
});

test("an error that the table does not know is a crash, with its words", async () => {
  const { done } = await run(`process.send({ tag: "failed", code: "INTERNAL", message: "x is not a function" });`);
  await expect(done).rejects.toMatchObject({ code: "ROUND_CRASHED", details: { found: "x is not a function" } });
});

test.each([
  ["an exception", `throw new Error("boom");`, /boom/],
  ["a kill", `process.kill(process.pid, "SIGKILL");`, /SIGKILL/],
  ["an early end", `process.exit(0);`, /exit code 0/],
])("%s is a crash", async (_, script, found) => {
  const { done } = await run(script);
  await expect(done).rejects.toMatchObject({ code: "ROUND_CRASHED", message: expect.stringMatching(found) });
});

test("silence is a hang, and the process is ended", async () => {
  const { done } = await run(`for (;;) {}`, 500);
  await expect(done).rejects.toMatchObject({ code: "ROUND_HUNG" });
});

test("a message that is none of ours is a crash of the round, not of the daemon", async () => {
  const { done } = await run(`process.send({ tag: "done", verdict: 7 });`);
  await expect(done).rejects.toMatchObject({ code: "ROUND_CRASHED" });
});

test("a cancelled job ends at once", async () => {
  const controller = new AbortController();
  const { done } = await run(`setInterval(() => {}, 1000);`, 60_000, controller.signal);
  controller.abort();
  await expect(done).rejects.toMatchObject({ code: "CANCELLED" });
});

test("a trainer that is not there is a crash", async () => {
  const jobs = childProcessJobs({ trainer: "/nowhere/trainer.js", hangMs: 60_000, log: silent });
  const done = jobs(job, { onProgress: () => {}, signal: new AbortController().signal });
  await expect(done).rejects.toMatchObject({ code: "ROUND_CRASHED" });
});
