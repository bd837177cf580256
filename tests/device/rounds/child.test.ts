import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { nodeSystem } from "../../../device/governor/system.ts";
import { type ChildOptions, childProcessJobs } from "../../../device/rounds/child.ts";
import type { Job } from "../../../device/rounds/job.ts";
import type { JobProgress } from "../../../device/rounds/job-messages.ts";
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
async function run(script: string, changes: Partial<ChildOptions> = {}) {
  const trainer = join(await temporaryFolder(), "trainer.mjs");
  await writeFile(trainer, `process.once("message", async (job) => { ${script} });`);
  const progress: JobProgress[] = [];
  const jobs = childProcessJobs({ ...DEFAULTS, trainer, ...changes });
  const running = jobs.run(job, (p) => progress.push(p));
  onTestFinished(
    () => void (running.pid !== undefined && isThere(running.pid) && process.kill(running.pid, "SIGKILL")),
  );
  return { running, done: running.verdict, progress, jobs, trainer };
}

const DEFAULTS: ChildOptions = {
  trainer: "",
  owner: "a data folder",
  hangMs: 60_000,
  graceMs: 5000,
  maxMemoryBytes: 2 ** 40,
  maxHeapBytes: 2 ** 26,
  system: nodeSystem(),
  log: silent,
};

const stateOf = async (pid: number) => /^State:\s+(\S)/m.exec(await readFile(`/proc/${pid}/status`, "latin1"))?.[1];

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("every thread of it comes after all others, also those that Node began before the script", async () => {
  const { running } = await run("setInterval(() => {}, 1000);");
  const folder = `/proc/${running.pid}/task`;
  const isIdleThere = spawnSync("chrt", ["-i", "0", "true"]).status === 0;
  await vi.waitFor(async () => {
    expect((await readFile(`/proc/${running.pid}/cmdline`, "latin1")).split("\0")[0]).toBe(process.execPath);
    const threads = await readdir(folder);
    expect(threads.length).toBeGreaterThan(4);
    for (const thread of threads) {
      const stat = await readFile(join(folder, thread, "stat"), "latin1");
      // From its third field on: the second may have blanks in it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      expect(Number(fields[NICE - 3])).toBe(19);
      if (isIdleThere) expect(Number(fields[POLICY - 3])).toBe(SCHED_IDLE);
    }
  });
});

/** @see proc(5), /proc/pid/stat; sched(7) */
const [NICE, POLICY, SCHED_IDLE] = [19, 41, 5];

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
  const { done } = await run(`for (;;) {}`, { hangMs: 500 });
  await expect(done).rejects.toMatchObject({ code: "ROUND_HUNG" });
});

test("a message that is none of ours is a crash of the round, not of the daemon", async () => {
  const { done } = await run(`process.send({ tag: "done", verdict: 7 });`);
  await expect(done).rejects.toMatchObject({ code: "ROUND_CRASHED" });
});

test("a job that is ended is cancelled, and may put down what it has first", async () => {
  const { running, done, progress } = await run(`
    process.on("SIGTERM", () => {
      process.send({ tag: "progress", progress: { phase: "train", done: 7, total: 8 } });
      process.send({ tag: "failed", code: "CANCELLED", message: "" });
      process.disconnect();
    });
    process.send({ tag: "alive" });
    process.send({ tag: "progress", progress: { phase: "train", done: 1, total: 8 } });
    setInterval(() => {}, 1000);`);
  await vi.waitFor(() => expect(progress).toHaveLength(1));
  running.end();
  await expect(done).rejects.toMatchObject({ code: "CANCELLED" });
  expect(progress.at(-1)).toMatchObject({ done: 7 });
});

test("a job that does not end when it is asked to is ended", async () => {
  const script = `process.on("SIGTERM", () => {}); process.send({ tag: "alive" }); setInterval(() => {}, 1000);`;
  const { running, done } = await run(script, { graceMs: 300 });
  running.end();
  await expect(done).rejects.toMatchObject({ code: "CANCELLED" });
  await vi.waitFor(() => expect(isThere(running.pid!)).toBe(false));
});

test("a job that is held stands still, is not taken for hung, and goes on", async () => {
  const { running, done, progress } = await run(
    `let done = 0;
     const timer = setInterval(() => {
       process.send({ tag: "progress", progress: { phase: "train", done: ++done, total: 9 } });
     }, 50);
     setTimeout(() => { clearInterval(timer); process.send({ tag: "done", verdict: ${JSON.stringify(verdict)} }); }, 1500);`,
    { hangMs: 700 },
  );
  await vi.waitFor(() => expect(progress.length).toBeGreaterThan(1));
  running.hold();
  await vi.waitFor(async () => expect(await stateOf(running.pid!)).toBe("T"));
  const before = progress.length;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  // What was said before it stood still may still be on its way.
  expect(progress.length - before).toBeLessThan(3);
  running.release();
  expect(await done).toEqual(verdict);
});

test("a held job can be ended", async () => {
  const { running, done, progress } = await run(
    `process.send({ tag: "progress", progress: { phase: "train", done: 1, total: 9 } }); setInterval(() => {}, 1000);`,
  );
  await vi.waitFor(() => expect(progress).toHaveLength(1));
  running.hold();
  running.end();
  await expect(done).rejects.toMatchObject({ code: "CANCELLED" });
});

test("a job that holds more memory than it may is ended, with its own code", async () => {
  const script = `globalThis.held = Buffer.alloc(200 * 2 ** 20, 1); setInterval(() => process.send({ tag: "alive" }), 100);`;
  const { running, done } = await run(script, { maxMemoryBytes: 120 * 2 ** 20 });
  await expect(done).rejects.toMatchObject({ code: "ROUND_OVER_MEMORY" });
  await vi.waitFor(() => expect(isThere(running.pid!)).toBe(false));
});

test("the kernel is to end the training process before any other", async () => {
  const { running } = await run(`setInterval(() => process.send({ tag: "alive" }), 100);`);
  await vi.waitFor(async () => expect(await readFile(`/proc/${running.pid}/oom_score_adj`, "latin1")).toBe("1000\n"));
});

test("what the process says it has taken is kept", async () => {
  const usage = { cpuSeconds: 1, peakMemoryBytes: 2, writtenBytes: null };
  const { running, done } = await run(`
    process.send({ tag: "usage", usage: ${JSON.stringify(usage)} });
    process.send({ tag: "failed", code: "DIVERGED", message: "" });`);
  await expect(done).rejects.toMatchObject({ code: "DIVERGED" });
  expect(running.usage()).toEqual(usage);
});

test("a held process that an earlier daemon left behind is ended, one of another daemon is not", async () => {
  const script = `process.send({ tag: "alive" }); setInterval(() => {}, 1000);`;
  const [ours, theirs] = [await run(script), await run(script, { owner: "another data folder" })];
  for (const { running } of [ours, theirs]) running.hold();
  await vi.waitFor(async () => expect(await stateOf(ours.running.pid!)).toBe("T"));
  await childProcessJobs({ ...DEFAULTS, trainer: ours.trainer }).endStrays();
  await expect(ours.done).rejects.toMatchObject({ code: "ROUND_CRASHED" });
  expect(isThere(theirs.running.pid!)).toBe(true);
});

test("a trainer that is not there is a crash", async () => {
  const jobs = childProcessJobs({ ...DEFAULTS, trainer: "/nowhere/trainer.js" });
  await expect(jobs.run(job, () => {}).verdict).rejects.toMatchObject({ code: "ROUND_CRASHED" });
});
