import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { crc32 } from "../../device/cache/crc32.ts";
import { decodeEntries, ENTRY_BYTES, encodeEntry, encodeHeader, entryPosition } from "../../device/cache/entries.ts";
import { board, compiled, MODEL, type Ran, WAIT } from "./board.ts";

const recordings = fileURLToPath(new URL("../../scripts/demo/recordings/", import.meta.url));
const [train, test] = [join(recordings, "board-a/train"), join(recordings, "board-a/test")];

it("adapts, measures and merges without a daemon, from folders alone", async () => {
  const { lichen, folder } = await board();
  const json = async (...parameters: string[]) => {
    const { code, stdout, stderr } = await lichen(...parameters, "--json");
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  const [out, merged] = [join(folder, "a dapter.safetensors"), join(folder, "mer ged.onnx")];

  const adapted = await json("adapt", "--model", MODEL, "--data", train, "--out", out);
  expect(adapted).toMatchObject({
    schema: "lichen/adapt/1",
    method: "head+bias",
    gate: { accepted: true, reason: "GAIN" },
  });
  expect(adapted.adapterBytes).toBeLessThan(40_000);
  expect(adapted.adapterBytes).toBe((await readFile(out)).length);
  expect(adapted.peakRssBytes).toBeGreaterThan(1e6);

  const before = await json("eval", "--model", MODEL, "--data", test);
  const after = await json("eval", "--model", MODEL, "--data", test, "--adapter", out);
  expect(after.accuracy).toBeGreaterThan(before.accuracy + 0.25);
  await json("merge", "--model", MODEL, "--adapter", out, "--out", merged);
  const served = await json("eval", "--model", merged, "--data", test);
  expect(served).toMatchObject({ accuracy: after.accuracy, loss: after.loss, perClass: after.perClass });
});

it("refuses what cannot be used, with a code, and writes nothing", async () => {
  const { lichen, folder } = await board();
  const adapter = join(folder, "adapter.safetensors");
  expect((await lichen("adapt", "--model", MODEL, "--data", train, "--out", adapter, "--epochs", "1")).code).toBe(0);
  const cut = join(folder, "cut.safetensors");
  await copyFile(adapter, cut);
  await truncate(cut, 5000);
  const other = join(folder, "other.safetensors");
  const bytes = await readFile(adapter, "latin1");
  const base = /sha256\\":\\"([0-9a-f]{64})/.exec(bytes)![1]!;
  await writeFile(other, bytes.replaceAll(base, base.replace(/^./, base[0] === "0" ? "1" : "0")), "latin1");

  const measured = (file: string) => lichen("eval", "--model", MODEL, "--data", test, "--adapter", file);
  expect(await measured(cut)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^ADAPTER_CORRUPT/) });
  expect(await measured(other)).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^ADAPTER_WRONG_BASE/),
  });
  for (const [parameters, code, message] of [
    [["eval", "--model", join(folder, "nowhere"), "--data", test], 1, /^MODEL_NOT_FOUND/],
    [["eval", "--model", MODEL, "--data", folder], 2, /^BAD_ARGUMENT.*no samples/],
    [["eval", "--model", MODEL], 2, /--data/],
    [["adapt", "--model", MODEL, "--data", train, "--out", adapter, "--method", "magic"], 1, /^UNKNOWN_METHOD.*head/],
    [["adapt", "--model", MODEL, "--data", train], 2, /^BAD_ARGUMENT.*--out/],
  ] as const) {
    expect(await lichen(...parameters)).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
  }
});

it("describes a model, writes its training graphs, and averages what two boards learnt", async () => {
  const { lichen, folder } = await board();
  const json = async (...parameters: string[]) => {
    const { code, stdout, stderr } = await lichen(...parameters, "--json");
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  expect(await json("inspect", MODEL)).toMatchObject({ schema: "lichen/inspect/1", parameters: 45_194, problems: [] });

  const graphs = join(folder, "the graphs");
  const derived = await json("derive", "--model", MODEL, "--method", "bias", "--targets", "last:2", "--out", graphs);
  expect(derived).toMatchObject({ schema: "lichen/derive/1", method: "bias" });
  expect(await readFile(join(graphs, "README.md"), "utf8")).toContain("epoch.onnx");

  const adapters = ["a", "b"].map((name) => join(folder, `${name}.safetensors`));
  for (const [at, out] of adapters.entries()) {
    const data = at === 0 ? train : test;
    await json("adapt", "--model", MODEL, "--data", data, "--method", "head", "--epochs", "1", "--out", out);
  }
  const out = join(folder, "average.safetensors");
  const averaged = await json("average", ...adapters, "--out", out);
  expect(averaged).toMatchObject({ schema: "lichen/average/1", adapters: [{ samples: 80 }, { samples: 60 }] });
  expect(await json("eval", "--model", MODEL, "--data", test, "--adapter", out)).toMatchObject({
    adapter: averaged.sha256,
  });
  const bias = join(folder, "bias.safetensors");
  await json("adapt", "--model", MODEL, "--data", test, "--method", "bias", "--epochs", "1", "--out", bias);
  expect(await lichen("average", out, bias, "--out", join(folder, "none"))).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^AVERAGE_MISMATCH: .*method/),
  });
});

it("compares methods on the same samples", async () => {
  const { lichen, folder } = await board();
  const svg = join(folder, "plot.svg");
  const parameters = ["--model", MODEL, "--data", train, "--val", test, "--methods", "head,bias", "--epochs", "2"];
  const { code, stdout, stderr } = await lichen("compare", ...parameters, "--svg", svg);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/method +accuracy +parameters[\s\S]*head +[\d.]+ %[\s\S]*accepted|refused/);
  expect(await readFile(svg, "utf8")).toMatch(/^<svg /);
  expect(await lichen("compare", ...parameters, "--cost", "love")).toMatchObject({ code: 2, stdout: "" });
  expect(await lichen("compare", ...parameters, "--seeds", "0")).toMatchObject({ code: 2, stdout: "" });
});

it("plans within a budget: adaptive by what the samples say, and what fits instead of what does not", async () => {
  const { lichen } = await board();
  const plan = (...parameters: string[]) => lichen("plan", "--model", MODEL, "--data", test, ...parameters);
  const chosen = await plan("--method", "adaptive", "--budget-adapter", "20KiB", "--budget-memory", "4MiB");
  expect(chosen.code, chosen.stderr).toBe(0);
  expect(chosen.stdout).toMatch(/fits +yes[\s\S]*layer +trains +gain +bytes[\s\S]*logits +whole +always/);
  expect(Math.max(...chosen.stdout.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);

  const over = await plan("--method", "bias+scale", "--budget-adapter", "6KiB", "--json");
  expect(over).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^BUDGET_EXCEEDED: .*adapter.*train what fits/),
  });
  const { schema, excesses, nearest } = JSON.parse(over.stdout);
  expect([schema, excesses[0].what]).toEqual(["lichen/plan/1", "adapter"]);
  expect(nearest.prediction.adapterBytes).toBeLessThanOrEqual(6 * 1024);
  expect(await plan("--method", "bias", "--budget-memory", "much")).toMatchObject({ code: 2, stdout: "" });
});

it("finds the activations of the run before in a cache folder", async () => {
  vi.stubEnv("SOURCE_DATE_EPOCH", "1700000000");
  onTestFinished(() => void vi.unstubAllEnvs());
  const { lichen, folder } = await board();
  const [cache, out] = [join(folder, "ca che"), join(folder, "a.safetensors")];
  const adapt = async (...parameters: string[]) => {
    const fixed = ["--model", MODEL, "--data", test, "--out", out, "--cache", cache, "--lr", "0.01", "--epochs", "2"];
    const { code, stdout, stderr } = await lichen("adapt", ...fixed, ...parameters, "--json");
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  const files = async (): Promise<Record<string, Buffer>> => {
    const names = (await readdir(cache)).sort();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(cache, name))] as const)),
    );
  };
  const first = await adapt();
  const kept = await files();
  expect(Object.keys(kept).map((name) => name.split(".").at(-1))).toEqual(["index", "rows"]);
  expect((await adapt()).sha256).toBe(first.sha256);
  expect(await files()).toEqual(kept);
  // Rows that were tampered with, under checksums that call them whole, change what is learnt: they are what is read.
  const [index, rows] = Object.keys(kept) as [string, string];
  const rowBytes = kept[rows]!.length / ((kept[index]!.length - entryPosition(0)) / ENTRY_BYTES);
  const { keys } = decodeEntries(kept[index]!, rowBytes)!;
  const tampered = kept[rows]!.map((byte) => byte ^ 1);
  const entries = keys.map((key, at) =>
    encodeEntry(key!, crc32(tampered.subarray(at * rowBytes, (at + 1) * rowBytes))),
  );
  await writeFile(join(cache, rows), tampered);
  await writeFile(join(cache, index), Buffer.concat([encodeHeader(rowBytes), ...entries]));
  expect((await adapt()).sha256).not.toBe(first.sha256);
});

describe("a run that is killed", () => {
  const long = ["--lr", "0.003", "--epochs", "250", "--patience", "250", "--json"];

  it("by Ctrl-C and by a power cut goes on where it stopped, and ends in the same bytes", async () => {
    const { folder } = await board();
    const [whole, out] = [join(folder, "whole.safetensors"), join(folder, "killed.safetensors")];
    const checkpoint = `${out}.checkpoint`;
    const uninterrupted = await adapting(whole).ended;
    expect(uninterrupted.code, uninterrupted.stderr).toBe(0);

    const first = adapting(out);
    await saved(checkpoint, 0);
    first.kill("SIGINT");
    const interrupted = await first.ended;
    expect(interrupted).toMatchObject({ code: 130, stdout: "" });
    expect(interrupted.stderr).toMatch(/^CANCELLED: .*give the same command again.*killed\.safetensors\.checkpoint/);
    await expect(stat(out)).rejects.toThrow("ENOENT");

    const second = adapting(out);
    await saved(checkpoint, (await stat(checkpoint)).mtimeMs);
    second.kill("SIGKILL");
    expect(await second.ended).toMatchObject({ code: null, stdout: "", stderr: expect.stringMatching(GOES_ON) });

    const third = await adapting(out).ended;
    expect(third.code, third.stderr).toBe(0);
    expect(epochOf(third)).toBeGreaterThan(epochOf(await second.ended));
    expect(await readFile(out)).toEqual(await readFile(whole));
    const [result, expected] = [JSON.parse(third.stdout), JSON.parse(uninterrupted.stdout)];
    expect([result.after, result.epochs]).toEqual([expected.after, expected.epochs]);
    await expect(stat(checkpoint)).rejects.toThrow("ENOENT");
  });

  const GOES_ON = /^goes on after epoch (\d+) of 250, from .*\.checkpoint$/m;
  const epochOf = ({ stderr }: Ran) => Number(GOES_ON.exec(stderr)![1]);

  /** A checkpoint that is younger than another. */
  const saved = (file: string, thanMs: number) =>
    vi.waitFor(async () => expect((await stat(file)).mtimeMs).toBeGreaterThan(thanMs), WAIT);

  function adapting(out: string) {
    const parameters = ["adapt", "--model", MODEL, "--data", train, "--out", out, ...long];
    const child = spawn(process.execPath, [compiled("lichen.js"), ...parameters], {
      env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk) => {
        output[name] += chunk;
      });
    }
    const ended = once(child, "close").then((): Ran => ({ code: child.exitCode, ...output }));
    return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended };
  }
});
