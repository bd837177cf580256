import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { runOfflineEval } from "../../../device/offline/eval.ts";
import { type OfflineImportOptions, runOfflineImport } from "../../../device/offline/import.ts";
import { runOfflineInspect } from "../../../device/offline/inspect.ts";
import { loadModel } from "../../../runtime/index.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { encoded, movedOut, network, protoOf } from "../../runtime/import/graphs.ts";

const DIGITS = fileURLToPath(new URL("../../../models/spoken-digits", import.meta.url));
const RECORDINGS = fileURLToPath(new URL("../../../scripts/demo/recordings/board-a", import.meta.url));

async function workplace() {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen import "));
  onTestFinished(() => rm(folder, { recursive: true }));
  const place = (name: string) => path.join(folder, name);
  const file = async (name: string, content: Uint8Array | string) => {
    await mkdir(path.dirname(place(name)), { recursive: true });
    await writeFile(place(name), content);
    return place(name);
  };
  const out = place("pack age");
  const run = (from: string, options: Partial<OfflineImportOptions> = {}) =>
    runOfflineImport(from, { out, ...options });
  const nothing = async () => expect((await readdir(folder)).filter((name) => name.startsWith("pack age"))).toEqual([]);
  return { folder, place, file, out, run, nothing };
}

it("makes a package that loads, and says what came in and what it became", async () => {
  const { file, out, run } = await workplace();
  const from = await file("My Net.onnx", encodeModel(network({ batch: 1 })));
  const result = await run(from, { labels: await file("labels.txt", "a\nb\nc\nd\n"), mean: [0.5], std: [0.5] });
  expect(result).toMatchObject({
    schema: "lichen/import/1",
    source: { file: from, format: "onnx" },
    card: { id: "my-net", labels: ["a", "b", "c", "d"], preprocessing: { mean: [127.5, 127.5, 127.5] } },
    parameters: 5 * 27 + 20,
    rehearsal: null,
  });
  expect(result.methods.find(({ method }) => method === "head")).toMatchObject({ trains: true });
  expect((await readdir(out)).sort()).toEqual(["card.json", "model.onnx"]);
  expect((await loadModel(out)).card).toEqual(result.card);
});

it("takes labels with commas between, a JSON array, and a preprocessing from a file", async () => {
  const { file, run } = await workplace();
  const from = await file("net.onnx", encodeModel(network()));
  expect((await run(from, { labels: "a, b,c,d" })).card.labels).toEqual(["a", "b", "c", "d"]);
  const json = await file("labels.json", '["w", "x", "y", "z"]');
  expect((await run(from, { labels: json, force: true })).card.labels).toEqual(["w", "x", "y", "z"]);
  const image = { kind: "image", width: 6, height: 8, channels: 3, mean: [1, 2, 3], std: [4, 5, 6] };
  const how = await file("how.json", JSON.stringify(image));
  expect((await run(from, { preprocessing: how, force: true })).card.preprocessing).toMatchObject(image);
  const wrong = await file("wrong.json", JSON.stringify({ ...image, std: [0] }));
  await expect(run(from, { preprocessing: wrong, force: true })).rejects.toThrow(/^BAD_CARD: .*wrong\.json: std/);
  await expect(run(from, { labels: "nowhere.txt", force: true })).rejects.toThrow(
    /^BAD_ARGUMENT: .*--labels.*nowhere\.txt/,
  );
  await expect(run(from, { labels: "a,b,c", force: true })).rejects.toThrow(/^BAD_ARGUMENT: .*3 labels; wanted 4/);
});

it("makes a rehearsal pack of samples, and what was imported hears as before", async () => {
  const { file, out, run } = await workplace();
  const card = JSON.parse(await readFile(path.join(DIGITS, "card.json"), "utf8"));
  const from = await file("digits.onnx", await readFile(path.join(DIGITS, "model.onnx")));
  const options = {
    labels: await file("labels.json", JSON.stringify(card.labels)),
    preprocessing: await file("how.json", JSON.stringify(card.preprocessing)),
  };
  const { rehearsal, notes } = await run(from, { ...options, rehearsal: path.join(RECORDINGS, "train"), perClass: 2 });
  const pack = (await loadModel(out)).rehearsal!;
  expect(rehearsal).toMatchObject({ examples: pack.labels.length, classes: new Set(pack.labels).size });
  expect(rehearsal!.examples).toBeLessThanOrEqual(20);
  expect(notes.some((note) => note.includes("has no example of"))).toBe(rehearsal!.classes < 10);
  const evaluated = await Promise.all(
    [out, DIGITS].map((model) => runOfflineEval({ model, data: path.join(RECORDINGS, "test") })),
  );
  const [mine, original] = evaluated.map(({ accuracy, loss }) => ({ accuracy, loss }));
  expect(mine).toEqual(original);

  // A model that is shown something else than it was trained on.
  const seven = await readFile(path.join(RECORDINGS, "train/seven/00.wav"));
  const sample = await file("samples/four/00.wav", seven);
  const wrong = { ...options, rehearsal: path.dirname(path.dirname(sample)), force: true };
  await expect(run(from, wrong)).rejects.toThrow(/^TOO_FEW_SAMPLES: .*gets right.*check labels/);
  expect((await loadModel(out)).rehearsal).toEqual(pack);
});

describe("weights beside the model", () => {
  async function split() {
    const work = await workplace();
    const proto = protoOf(network());
    const weights = movedOut(proto.graph!.initializer[0]!, "net.onnx.data");
    return { ...work, from: await work.file("export/net.onnx", encoded(proto)), weights };
  }

  it("come in", async () => {
    const { file, run, from, weights, out, place } = await split();
    await file("export/net.onnx.data", weights);
    expect((await run(from)).notes.join()).toContain("net.onnx.data");
    await runOfflineImport(await file("whole.onnx", encodeModel(network())), { out: place("whole") });
    expect((await loadModel(out)).sha256).toBe((await loadModel(place("whole"))).sha256);
  });

  it("are missed by name, and not followed out of the folder", async () => {
    const { file, run, from, weights, place, nothing } = await split();
    await expect(run(from)).rejects.toThrow(/^EXTERNAL_DATA: .*net\.onnx\.data; found no such file/);
    await symlink(await file("secret/net.onnx.data", weights), place("export/net.onnx.data"));
    await expect(run(from)).rejects.toThrow(/^EXTERNAL_DATA: .*a link out of the folder/);
    await nothing();
  });
});

describe("what is refused leaves nothing behind", () => {
  it.each<[string, Uint8Array | string, RegExp]>([
    ["an empty file", "", /^MODEL_CORRUPT: .*empty/],
    ["a picture", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2), /^MODEL_CORRUPT: .*JPEG/],
    ["a PyTorch checkpoint", "PK\x03\x04archive", /^MODEL_CORRUPT: .*PyTorch/],
    ["half a model", encodeModel(network()).slice(0, 300), /^MODEL_CORRUPT/],
    ["the head of a TFLite file", "\x1c\0\0\0TFL3", /^MODEL_CORRUPT/],
    ["noise", Uint8Array.from({ length: 999 }, (_, at) => (at * 97) % 251), /^MODEL_CORRUPT/],
  ])("%s", async (_, content, message) => {
    const { file, run, nothing } = await workplace();
    await expect(run(await file("net.onnx", content))).rejects.toThrow(message);
    await nothing();
  });

  it("a folder, and what is not there", async () => {
    const { folder, run, place, nothing } = await workplace();
    await expect(run(folder, { out: place("other/pack") })).rejects.toThrow(/^MODEL_NOT_FOUND: .*a folder/);
    await expect(run(place("nowhere.onnx"))).rejects.toThrow(/^MODEL_NOT_FOUND/);
    await nothing();
  });
});

describe("a place that is taken", () => {
  it("by a package is only replaced by force, and wholly", async () => {
    const { file, out, run } = await workplace();
    const from = await file("net.onnx", encodeModel(network()));
    await run(from, { id: "first" });
    await expect(run(from, { id: "second" })).rejects.toThrow(/^BAD_ARGUMENT: .*a package.*--force/);
    expect((await loadModel(out)).card.id).toBe("first");
    await writeFile(path.join(out, "rehearsal.safetensors"), "old");
    await run(from, { id: "second", force: true });
    expect((await loadModel(out)).card.id).toBe("second");
    expect((await readdir(out)).sort()).toEqual(["card.json", "model.onnx"]);
    expect((await readdir(path.dirname(out))).sort()).toEqual(["net.onnx", "pack age"]);
  });

  it("by anything else is never replaced", async () => {
    const { file, out, run, place } = await workplace();
    const from = await file("net.onnx", encodeModel(network()));
    await file("pack age/notes.txt", "mine");
    await expect(run(from, { force: true })).rejects.toThrow(/^BAD_ARGUMENT: .*notes\.txt/);
    expect(await readdir(out)).toEqual(["notes.txt"]);
    await expect(run(from, { out: from, force: true })).rejects.toThrow(/^BAD_ARGUMENT: .*made of/);
    await expect(run(from, { out: path.dirname(from), force: true })).rejects.toThrow(/^BAD_ARGUMENT: .*made of/);
    await expect(run(from, { out: await file("plain", "x"), force: true })).rejects.toThrow(
      /^BAD_ARGUMENT: .*found a file/,
    );
    await expect(run(from, { out: place("plain/below") })).rejects.toThrow(/^STORAGE_FAILED/);
  });
});

it("a bare file given as a model is told how to become a package", async () => {
  const { file } = await workplace();
  const onnx = await file("net.onnx", encodeModel(network()));
  const tflite = await file("net.tflite", "\x1c\0\0\0TFL3");
  await expect(runOfflineEval({ model: onnx, data: RECORDINGS })).rejects.toThrow(
    /^BAD_CARD: .*lichen import .*net\.onnx --out/,
  );
  await expect(runOfflineEval({ model: tflite, data: RECORDINGS })).rejects.toThrow(
    /^BAD_CARD: .*lichen import .*net\.tflite/,
  );
  await expect(runOfflineInspect(tflite)).rejects.toThrow(/^MODEL_CORRUPT: .*TFLite.*lichen import/);
});
