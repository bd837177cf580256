import { copyFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { encodeModel } from "../../runtime/onnx/encode.ts";
import { network } from "../runtime/import/graphs.ts";
import { board, MODEL } from "./board.ts";

const recordings = fileURLToPath(new URL("../../scripts/demo/recordings/board-a/", import.meta.url));

it("brings a model in, says what it became, and adapts it", async () => {
  const { lichen, folder } = await board();
  const [file, out] = [join(folder, "bare model.onnx"), join(folder, "pack age")];
  await copyFile(join(MODEL, "model.onnx"), file);
  const bare = await lichen("eval", "--model", file, "--data", join(recordings, "test"));
  expect(bare).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^BAD_CARD: .*lichen import/) });

  const { preprocessing, labels } = JSON.parse((await lichen("inspect", MODEL, "--json")).stdout).card;
  await writeFile(join(folder, "how.json"), JSON.stringify(preprocessing));
  const knows = ["--preprocessing", join(folder, "how.json"), "--labels", labels.join(",")];
  const samples = ["--rehearsal", join(recordings, "test"), "--per-class", "2"];
  const brought = await lichen("import", file, "--out", out, ...knows, ...samples, "--licence", "MIT");
  expect(brought.code, brought.stderr).toBe(0);
  expect(brought.stdout).toMatch(/came in +.*\(ONNX[\s\S]*package +.*bare-model 1, MIT[\s\S]*sound, 1 s at 8000 Hz/);
  expect(brought.stdout).toMatch(
    /rehearsal +\d+ examples[\s\S]*can train +head, bias[\s\S]*next:\n {2}lichen eval --model '/,
  );
  const facts = brought.stdout.split("\n\n")[0]!.split("\n");
  expect(Math.max(...facts.map(({ length }) => length))).toBeLessThanOrEqual(80);

  const adapted = ["--model", out, "--data", join(recordings, "train"), "--method", "head", "--epochs", "1"];
  const { code, stderr } = await lichen("adapt", ...adapted, "--out", join(folder, "a.safetensors"));
  expect(code, stderr).toBe(0);
});

it("refuses with a code, and writes nothing", async () => {
  const { lichen, folder } = await board();
  const file = join(folder, "net.onnx");
  const out = ["--out", join(folder, "pack")];
  await writeFile(file, encodeModel(network()));
  for (const [parameters, code, message] of [
    [["import", file], 2, /--out/],
    [["import", ...out], 2, /missing required argument/],
    [["import", file, ...out, "--mean", "much"], 2, /--mean/],
    [["import", file, ...out, "--size", "big"], 2, /--size/],
    [["import", file, ...out, "--target", "z80"], 2, /--target.*x64, arm64/],
    [["import", file, ...out, "--labels", "a,b"], 2, /^BAD_ARGUMENT: .*2 labels; wanted 4/],
    [["import", join(folder, "lichend.yaml"), ...out], 1, /^MODEL_CORRUPT/],
    [["import", join(folder, "nowhere"), ...out], 1, /^MODEL_NOT_FOUND/],
  ] as const) {
    expect(await lichen(...parameters)).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
  }
  expect((await readdir(folder)).sort()).toEqual(["lichend.yaml", "net.onnx"]);
  expect(await lichen("import", file, ...out, "--json")).toMatchObject({ code: 0, stderr: "" });
});
