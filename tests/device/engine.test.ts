import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadEngine } from "../../device/engine.ts";

const MODELS = new URL("../../models/", import.meta.url).pathname;

test("the model is read again for each session, and another in its place is not served", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lichen-engine-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const put = (name: string) => cp(join(MODELS, name), join(folder, "model"), { recursive: true, force: true });
  await put("spoken-digits");
  const engine = await loadEngine(join(folder, "model"), 1);
  const sessions = [await engine.open(), await engine.open()];
  expect(sessions[1]!.labels).toEqual(engine.model.card.labels);

  // A whole package, with a card that fits it: only not this board's.
  await put("ten-objects");
  await expect(engine.open()).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  await put("spoken-digits");
  sessions.push(await engine.open());
  for (const session of sessions) await session.close();
});
