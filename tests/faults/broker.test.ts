import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { inferSchema } from "../../device/api/schemas.ts";
import { startBroker } from "../../scripts/broker.ts";
import { recordings } from "../e2e/board.ts";
import { bringByFolder, expectAnswer, newLife, train } from "./life.ts";
import { residentBytes } from "./measures.ts";
import { filesBelow, victim } from "./victim.ts";

const MiB = 2 ** 20;
/** Six hours in twelve seconds. */
const HASTE = 1800;
const AWAY_MS = 12_000;

test("while the broker is away for hours, a board infers, learns, keeps what it has to say within bounds, and says it when the broker is back", {
  timeout: 240_000,
}, async () => {
  const broker = await startBroker({ port: 0 });
  const mqtt = { broker: broker.url, fleet: "lab" };
  const board = await victim({ changes: { mqtt, results: {} } });
  const life = newLife();
  const all = await recordings("board-a", "train");
  const [probe] = await recordings("board-a", "test");
  const body = await readFile(probe!.file);
  const haste = join(board.folder, "haste");
  const { process: daemon } = await board.start({ haste });
  await board.until(async () => expect((await board.status()).sync).toMatchObject({ connected: true }));
  await bringByFolder(
    board,
    life,
    all.filter((_, at) => at % 2 === 0),
  );

  await broker.stop();
  const learnt = await train(board, life);
  expect(learnt).not.toBeNull();
  const before = await residentBytes(daemon.pid!);
  await writeFile(haste, `${HASTE}`);
  const sinceMs = Date.now();
  for (let file = 0; Date.now() - sinceMs < AWAY_MS; file++) {
    await board.client.post("/v1/infer?name=x.wav", inferSchema, body);
    // What comes by a source has a result for the broker.
    if (file % 5 === 0) await board.drop(probe!.file, join("inbox", `${file}.wav`));
    await sleep(5);
  }
  const away = await board.status();
  expect(away.sync).toMatchObject({ connected: false, lastError: { code: "BROKER_UNREACHABLE" } });
  // It has come back for the broker again and again, and less and less often.
  expect(away.sync?.failures).toBeGreaterThan(5);
  expect(away.sync?.failures).toBeLessThan(6 * 3600);
  expect(away.results).toMatchObject({ connected: false });
  expect((await residentBytes(daemon.pid!)) - before).toBeLessThan(48 * MiB);
  const kept = await filesBelow(join(board.data, "sync"));
  expect(kept.length).toBeLessThan(20);
  await expectAnswer(board, probe!);

  await rm(haste);
  const again = await startBroker({ port: broker.port });
  onTestFinished(() => again.stop());
  await board.until(async () => {
    const { sync, results } = await board.status();
    expect(sync).toMatchObject({ connected: true, offer: { sha256: learnt } });
    expect(results).toMatchObject({ connected: true, waiting: 0 });
  });
});
