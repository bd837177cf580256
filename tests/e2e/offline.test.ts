import { copyFile, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { board, MODEL } from "./board.ts";

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
