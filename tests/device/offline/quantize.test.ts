import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readable } from "../../../device/cli/commands/quantize.ts";
import { runOfflineImport } from "../../../device/offline/import.ts";
import { type OfflineQuantizeResult, runOfflineQuantize } from "../../../device/offline/quantize.ts";
import { loadModel } from "../../../runtime/index.ts";
import { temporaryFolder } from "../fixtures.ts";

const SOURCE = "scripts/models/spoken-digits";
const LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const RECORDINGS = "scripts/demo/recordings/board-a/train";
const about = { preprocessing: `${SOURCE}/front-end.json`, labels: LABELS.join(","), licence: "Apache-2.0" };

/** A few of the demo's recordings: two of each digit to calibrate with, one unlabelled. */
async function calibration(folder: string): Promise<string> {
  const made = path.join(folder, "calibration");
  for (const label of LABELS) {
    await mkdir(path.join(made, label), { recursive: true });
    for (const name of (await readdir(path.join(RECORDINGS, label))).slice(0, 2))
      await cp(path.join(RECORDINGS, label, name), path.join(made, label, name));
  }
  return made;
}

describe("quantizing a file", () => {
  let folder: string;
  let result: OfflineQuantizeResult;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "lichen quantize "));
    const out = path.join(folder, "package");
    const data = await calibration(folder);
    result = await runOfflineQuantize(`${SOURCE}/float.onnx`, {
      ...about,
      calibration: data,
      out,
      samples: 15,
      id: "digits",
    });
    return () => rm(folder, { recursive: true });
  }, 120_000);

  it("makes a package that loads, and is a quarter of the size in its weights", async () => {
    const { model, card, bytes } = await loadModel(result.out);
    expect(card).toEqual(result.card);
    expect(card.id).toBe("digits");
    expect(card.labels).toEqual(LABELS);
    expect(model.graph.nodes[0]!.outputs).toEqual(["features_q"]);
    expect(result.report.bytes.after).toBe(bytes.length);
    expect(bytes.length).toBeLessThan(result.report.bytes.before / 2);
  });

  it("measures with what calibration left over, and puts it on the card", () => {
    expect(result.report.samples).toEqual({ calibration: 12, heldOut: 3 });
    expect(result.accuracy).toMatchObject({ samples: 5, from: "unused" });
    expect(result.card.metrics.map(({ name, value }) => [name, value])).toEqual([
      ["accuracy float", result.accuracy!.float],
      ["accuracy int8", result.accuracy!.int8],
    ]);
  });

  it("tells a person about it in lines that a terminal can show", () => {
    const text = readable({ ...result, model: "float.onnx", out: "package" });
    expect(Math.max(...text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
    const worst = result.report.layers.toSorted((a, b) => a.accumulated - b.accumulated)[0]!;
    expect(text).toContain(worst.name);
    const layers = result.report.layers.map((layer) => ({
      ...layer,
      ...{ name: `Some/Path/${"deep/".repeat(9)}${layer.name}`, operator: "InstanceNormalization", accumulated: 12.3 },
    }));
    const long = readable({ ...result, model: "float.onnx", out: "package", report: { ...result.report, layers } });
    expect(Math.max(...long.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(long).toMatch(/ 12\.3$/m);
    expect(text.replace(/\s+/g, " ")).toContain("of 5 samples that calibration left over");
  });

  it("refuses to overwrite a package, a package that is quantized already, and a file's options for a package", async () => {
    const data = path.join(folder, "calibration");
    const again = { calibration: data, out: result.out };
    await expect(runOfflineQuantize(`${SOURCE}/float.onnx`, { ...about, ...again })).rejects.toThrow(
      /BAD_ARGUMENT.*--force/,
    );
    const other = { calibration: data, out: path.join(folder, "other") };
    await expect(runOfflineQuantize(result.out, other)).rejects.toThrow(/NOTHING_TO_QUANTIZE/);
    await expect(runOfflineQuantize(result.out, { ...other, mean: [1] })).rejects.toThrow(/BAD_ARGUMENT.*mean/);
    expect(await readdir(folder)).not.toContain("other");
  });
});

describe("a package of a float model", () => {
  it("is quantized with what its card says; what --val holds is measured, a rehearsal pack made", async () => {
    const folder = await temporaryFolder();
    const float = path.join(folder, "float");
    await runOfflineImport(`${SOURCE}/float.onnx`, { ...about, out: float });
    const data = await calibration(folder);
    const result = await runOfflineQuantize(float, {
      ...{ calibration: data, val: data, rehearsal: data, out: path.join(folder, "int8") },
      ...{ method: "minmax", equalize: false, biasCorrection: false, target: "arm64" },
      float: ["logits", "logit"],
    });
    expect(result.report).toMatchObject({
      method: "minmax",
      equalizedPairs: 0,
      biasesCorrected: false,
      candidates: [],
    });
    expect(result.report).toMatchObject({ target: "arm64", weightLimit: 127 });
    expect(result.notes.filter((note) => note.includes("--float"))).toEqual([expect.stringContaining("«logit»")]);
    expect(result.accuracy).toMatchObject({ samples: 20, from: "val" });
    const { card, model, rehearsal } = await loadModel(result.out);
    expect(card.licence).toBe("Apache-2.0");
    expect(model.graph.initializers.get(model.graph.nodes[0]!.inputs[2]!)!.type).toBe("int8");
    expect(rehearsal!.labels.length).toBe(result.rehearsal!.examples);
  }, 120_000);

  it("stays as it is on disk", async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, "float.onnx");
    await cp(`${SOURCE}/float.onnx`, file);
    const before = await readFile(file);
    await writeFile(path.join(folder, "note.txt"), "not a package");
    const asked = { ...about, calibration: RECORDINGS, out: folder };
    await expect(runOfflineQuantize(file, asked)).rejects.toThrow(/BAD_ARGUMENT/);
    expect(await readFile(file)).toEqual(before);
  });
});
