import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { inferSchema, roundsSchema } from "../../device/api/schemas.ts";
import { recordings } from "../e2e/board.ts";
import { bringByFolder, expectAnswer, newLife } from "./life.ts";
import { victim } from "./victim.ts";

test("when the kernel ends the training process for its memory, the round fails with its code, inference misses nothing, and the round comes again", async () => {
  // So long that it cannot end by itself before it is ended.
  const training = { minNewSamples: 20, epochs: 100_000, settleSeconds: 0, retrySeconds: 0.2 };
  const board = await victim({ changes: { training } });
  const all = await recordings("board-a", "train");
  const [probe] = await recordings("board-a", "test");
  const { process: daemon } = await board.start();
  const asked = { answered: 0, isOver: false };
  const body = await readFile(probe!.file);
  const asking = (async () => {
    while (!asked.isOver) {
      await board.client.post("/v1/infer?name=x.wav", inferSchema, body);
      asked.answered++;
    }
  })();
  await bringByFolder(
    board,
    newLife(),
    all.filter((_, at) => at % 2 === 0),
  );

  for (const id of [1, 2]) {
    await board.until(async () =>
      expect((await board.status()).round).toMatchObject({ phase: "training", last: { id } }),
    );
    const trainers = await childrenOf(daemon.pid!);
    expect(trainers).toHaveLength(1);
    // It is the one that the kernel chooses.
    expect(await readFile(`/proc/${trainers[0]}/oom_score_adj`, "utf8")).toBe("1000\n");
    process.kill(trainers[0]!, "SIGKILL");
    await board.until(async () => {
      const { rounds } = await board.client.get("/v1/rounds", roundsSchema);
      const outcome = rounds.find((round) => round.id === id)?.outcome;
      expect(outcome).toMatchObject({
        tag: "failed",
        code: "ROUND_CRASHED",
        message: expect.stringContaining("SIGKILL"),
      });
    });
  }
  await expectAnswer(board, probe!);
  asked.isOver = true;
  await asking;
  expect(asked.answered).toBeGreaterThan(10);
  expect((await board.status()).inference.queue.dropped).toBe(0);
});

async function childrenOf(pid: number): Promise<number[]> {
  const lists = (await readdir(`/proc/${pid}/task`)).map((task) =>
    readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => ""),
  );
  return (await Promise.all(lists)).join(" ").split(/\s+/).filter(Boolean).map(Number);
}
