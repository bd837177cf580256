import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { samplesSchema } from "../../device/api/sample-schemas.ts";
import { recordings } from "../e2e/board.ts";
import { bringByFolder, bringByHttp, expectWhole, newLife, rollBack, train } from "./life.ts";
import { victim } from "./victim.ts";

const HOUR_MS = 3600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

test("in 1970, and with a clock that jumps by hours and years, a board takes samples, learns, starts again and rolls back", async () => {
  const board = await victim();
  const life = newLife();
  const clockError = join(board.folder, "clock error");
  const setTo = (errorMs: number) => writeFile(clockError, `${errorMs}`);
  const all = await recordings("board-a", "train");
  const [probe] = await recordings("board-a", "test");
  const parts = [0, 1, 2, 3].map((part) => all.filter((_, at) => at % 8 === part));

  await setTo(-Date.now());
  const first = await board.start({ clockError });
  await bringByFolder(board, life, parts[0]!);
  await setTo(20 * YEAR_MS);
  await bringByHttp(board, life, parts[1]!, true);
  await setTo(-HOUR_MS);
  await bringByFolder(board, life, parts[2]!);
  const { samples } = await board.client.get("/v1/samples", samplesSchema);
  expect(new Set(samples.map(({ arrivedAt }) => arrivedAt.slice(0, 4))).size, "the clock did jump").toBeGreaterThan(2);

  const round = train(board, life);
  for (const errorMs of [3 * HOUR_MS, -30 * YEAR_MS, YEAR_MS, 0]) {
    await setTo(errorMs);
    await board.client.get("/v1/samples", samplesSchema);
  }
  const learnt = await round;
  expect(learnt).not.toBeNull();
  const order = samples.map(({ sha256 }) => sha256);
  expect(await first.stop()).toBe(0);

  await setTo(-Date.now());
  const second = await board.start({ clockError });
  const again = await board.client.get("/v1/samples", samplesSchema);
  expect(
    again.samples.map(({ sha256 }) => sha256),
    "the order of arrival",
  ).toEqual(order);
  await expectWhole(board, life, probe!);
  await setTo(5 * YEAR_MS);
  await rollBack(board, life, learnt!);
  await bringByFolder(board, life, parts[3]!);
  await second.kill();
  await setTo(-5 * YEAR_MS);
  await board.start({ clockError });
  await expectWhole(board, life, probe!);
});
