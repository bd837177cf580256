import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { readCatalogue } from "../../../device/models/catalogue.ts";
import { runOfflineImport } from "../../../device/offline/import.ts";
import { catalogueOptions } from "../../../device/offline/import-catalogue.ts";
import { sha256 } from "../../../runtime/index.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import { network } from "../../runtime/import/graphs.ts";

const CARD = fileURLToPath(new URL("../../../models/catalogue/mlperf-tiny-ic-int8.json", import.meta.url));

it("knows every file of the catalogue by its hash, and no other", async () => {
  const cards = await readCatalogue();
  expect(cards.length).toBeGreaterThan(7);
  for (const { name, sha256: hash, licence, preprocessing } of cards) {
    const { options, notes } = await catalogueOptions(undefined, hash);
    expect(options).toMatchObject({ id: name, licence, preprocessing });
    expect(notes).toEqual([expect.stringContaining(name)]);
  }
  expect(await catalogueOptions(undefined, "0".repeat(64))).toEqual({ options: {}, notes: [] });
});

it("a card that was named speaks for its own file only, and the owner's words come before it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen import "));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "net.onnx");
  const bytes = encodeModel(network());
  await writeFile(file, bytes);
  const out = path.join(folder, "package");
  await expect(runOfflineImport(file, { out, card: CARD })).rejects.toThrow(/^WRONG_FILE: .*mlperf-tiny-ic-int8\.json/);
  await expect(runOfflineImport(file, { out, card: file })).rejects.toThrow(/^BAD_CARD/);
  await expect(runOfflineImport(file, { out, card: path.join(folder, "none") })).rejects.toThrow(
    /^BAD_ARGUMENT: .*--card/,
  );

  const own = {
    ...JSON.parse(await readFile(CARD, "utf8")),
    ...{ name: "mine", sha256: sha256(bytes), bytes: bytes.length, labels: ["a", "b", "c", "d"] },
    ...{ file: "net.onnx", input: { type: "float32", shape: [3, 8, 6], layout: "nchw" } },
    preprocessing: { kind: "image", width: 6, height: 8, channels: 3, mean: [0, 0, 0], std: [2, 2, 2] },
  };
  const card = path.join(folder, "mine.json");
  await writeFile(card, JSON.stringify(own));
  const { card: made } = await runOfflineImport(file, { out, card, licence: "MIT", mean: [5], std: [6] });
  expect(made).toMatchObject({
    ...{ id: "mine", description: own.title, licence: "MIT", labels: own.labels },
    preprocessing: { mean: [5, 5, 5], std: [6, 6, 6] },
    metrics: own.metrics.map(({ name, value }: { name: string; value: number }) => ({ name, value })),
  });
});
