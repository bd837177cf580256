import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { runOfflineInspect } from "../../../device/offline/inspect.ts";

const MODEL = fileURLToPath(new URL("../../../models/spoken-digits", import.meta.url));

async function copyOfTheModel(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen inspect "));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(MODEL, folder, { recursive: true });
  return folder;
}

it("describes a package with its card", async () => {
  const found = await runOfflineInspect(MODEL);
  expect(found).toMatchObject({
    schema: "lichen/inspect/1",
    card: { id: "spoken-digits", labels: expect.arrayContaining(["zero", "nine"]) },
    sha256: found.card?.sha256,
    problems: [],
  });
});

it("describes the bare file too", async () => {
  const [bare, whole] = [await runOfflineInspect(path.join(MODEL, "model.onnx")), await runOfflineInspect(MODEL)];
  expect(bare).toEqual({ ...whole, card: null });
});

it("takes a card that is wrong, missing or of another model for a problem of the model", async () => {
  const folder = await copyOfTheModel();
  const card = path.join(folder, "card.json");
  const { card: original } = await runOfflineInspect(folder);
  await writeFile(card, JSON.stringify({ ...original, sha256: "0".repeat(64) }));
  expect(await runOfflineInspect(folder)).toMatchObject({
    card: { id: "spoken-digits" },
    problems: [{ code: "MODEL_CORRUPT" }],
  });
  await writeFile(card, "{}");
  expect(await runOfflineInspect(folder)).toMatchObject({ card: null, problems: [{ code: "BAD_CARD" }] });
  await rm(card);
  expect(await runOfflineInspect(folder)).toMatchObject({ card: null, problems: [{ code: "BAD_CARD" }] });
});

it("refuses what is not there, and what is no model", async () => {
  const folder = await copyOfTheModel();
  await expect(runOfflineInspect(path.join(folder, "nowhere"))).rejects.toThrow(/^MODEL_NOT_FOUND/);
  await expect(runOfflineInspect(path.join(folder, "card.json"))).rejects.toThrow(/^MODEL_CORRUPT/);
  await rm(path.join(folder, "model.onnx"));
  await expect(runOfflineInspect(folder)).rejects.toThrow(/^MODEL_NOT_FOUND: .*model\.onnx/);
});
