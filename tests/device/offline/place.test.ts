import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { runOfflineAdapt } from "../../../device/offline/adapt.ts";
import { runOfflineMerge } from "../../../device/offline/merge.ts";
import { makePlaceFor } from "../../../device/offline/place.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const model = path.join(root, "models/spoken-digits");
const data = path.join(root, "scripts/demo/recordings/board-a/train");

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "lichen place "));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

it("an --out that is a folder is refused before anything is trained, and nothing is left beside it", async () => {
  const out = path.join(await folder(), "results");
  await makePlaceFor(path.join(out, "a.safetensors"));
  const phases: string[] = [];
  const watch = { progress: ({ phase }: { phase: string }) => phases.push(phase), note: () => undefined };
  await expect(runOfflineAdapt({ model, data, out }, watch)).rejects.toThrow(
    /^BAD_ARGUMENT: .*results; found a folder/,
  );
  expect(phases).toEqual([]);
  expect(await readdir(path.dirname(out))).toEqual(["results"]);
});

it("adapt and merge alike make the folders that their results lie in", async () => {
  const made = await folder();
  const adapter = path.join(made, "adapters/new/a.safetensors");
  await runOfflineAdapt(
    { model, data, out: adapter, method: "head", epochs: 1 },
    { progress: () => undefined, note: () => undefined },
  );
  const out = path.join(made, "models/new/m.onnx");
  const { bytes } = await runOfflineMerge({ model, adapter, out });
  expect((await stat(out)).size).toBe(bytes);
});

it("the base is never written, whatever its path looks like", async () => {
  const made = await folder();
  for (const part of ["model.onnx", "card.json", "rehearsal.safetensors"])
    await expect(makePlaceFor(path.join(made, "x/..", part), made)).rejects.toThrow(/^BAD_ARGUMENT: .*the base model/);
  await expect(makePlaceFor(path.join(made, "m.onnx"), path.join(made, "m.onnx"))).rejects.toThrow(/the base model/);
  await expect(makePlaceFor(path.join(made, "adapted.onnx"), made)).resolves.toBeUndefined();
  const out = path.join(model, "model.onnx");
  const watch = { progress: () => undefined, note: () => undefined };
  await expect(runOfflineAdapt({ model, data, out }, watch)).rejects.toThrow(/^BAD_ARGUMENT: .*the base model/);
});
