import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Recording, recordings } from "../e2e/board.ts";
import { evenly, failuresOf, isFull, partOf } from "./amount.ts";
import type { Fault } from "./fault.ts";
import { bringByFolder, bringByHttp, expectWhole, type Life, name, newLife, pin, rollBack, train } from "./life.ts";
import { linesOf, type Victim, victim } from "./victim.ts";

/** Of some 600 places where the power can go. */
const IN_CI = 40;

interface Cut extends Omit<NonNullable<Fault["powerCut"]>, "vault"> {
  /** All that was not synced is gone. */
  readonly isLossy: boolean;
}

test("the power goes at every write, fsync and rename of a board's life: what was acknowledged is there, and it works on", {
  timeout: isFull ? 4 * 3600_000 : 600_000,
}, async () => {
  const [first, fresh, probe] = await sounds();
  const template = await victim();
  const before = newLife();
  const making = await template.start();
  await bringByFolder(template, before, first);
  expect(await making.stop()).toBe(0);

  const cuts = await placesOf(template, before, fresh);
  const chosen = isFull ? partOf(cuts) : evenly(cuts, IN_CI);
  let reached = 0;
  const failures = await failuresOf(chosen, async ({ isLossy, ...cut }) => {
    const board = await victim({ copyOf: template.folder });
    const vault = join(board.folder, "vault");
    await mkdir(vault);
    const life = lifeAs(before);
    const ended = await live(board, life, fresh, { powerCut: { ...cut, ...(isLossy && { vault }) } });
    // Where rounds take other steps than when they were counted, the last ones may not come.
    if (ended === "SIGKILL") reached++;
    await board.start();
    await expectWhole(board, life, probe).catch((error) => {
      throw new Error(`${error.stack}\n${board.log().slice(-3000)}`);
    });
    await board.remove();
  });
  process.stdout.write(`power cuts: ${reached} of ${chosen.length} came, at ${cuts.length} places\n`);
  expect(failures).toEqual([]);
  expect(reached).toBeGreaterThan(0.9 * chosen.length);
});

/** Four of each class to begin with, a few that come later, and one that is only asked about. */
async function sounds(): Promise<[Recording[], Recording[], Recording]> {
  const all = await recordings("board-a", "train");
  const [probe] = await recordings("board-a", "test");
  const nth = (recording: Recording) => all.filter(({ label }) => label === recording.label).indexOf(recording);
  return [all.filter((one) => nth(one) < 4), all.filter((one) => nth(one) === 4), probe!];
}

/** All that a board does: it takes samples, is told what they are, learns, is chosen for, sent back, and stopped. */
async function live(board: Victim, life: Life, fresh: readonly Recording[], fault: Fault) {
  const running = board.run(fault);
  const days = async () => {
    if (!(await running.isUp())) return;
    await bringByFolder(board, life, fresh.slice(0, 3));
    await bringByHttp(board, life, fresh.slice(3, 5), true);
    await bringByHttp(board, life, fresh.slice(5, 7), false);
    await name(board, life, fresh[5]!, fresh[5]!.label);
    await name(board, life, fresh[0]!, fresh[1]!.label);
    await name(board, life, fresh[1]!, null);
    const learnt = await train(board, life);
    expect(learnt).not.toBeNull();
    await pin(board, life, learnt!);
    await name(board, life, fresh[0]!, fresh[0]!.label);
    await rollBack(board, life, learnt!);
    await running.stop();
  };
  await days().catch(async (error) => {
    // Nobody may be told of a failure but by the power.
    if (fault.powerCut === undefined || running.process.exitCode !== null) throw error;
    const quiet = new Promise((_, late) => setTimeout(() => late(error), 5000).unref());
    await Promise.race([running.ended, quiet]);
  });
  return running.ended;
}

/** Runs a life without a power cut, and counts. */
async function placesOf(template: Victim, before: Life, fresh: readonly Recording[]): Promise<Cut[]> {
  const board = await victim({ copyOf: template.folder });
  const steps = join(board.folder, "steps");
  expect(await live(board, lifeAs(before), fresh, { steps })).toBe(0);
  const lines = await linesOf(steps);
  await board.remove();
  return (["daemon", "trainer"] as const).flatMap((process) =>
    lines
      .filter((line) => line.startsWith(process))
      .map((line, at) => ({ line, step: at + 1 }))
      // Cached activations promise nothing: they are found out by their checksums, and a few hundred places say no more than one.
      .filter(({ line }, at) => !line.includes("in place") || at % 50 === 0)
      .flatMap(({ line, step }) => {
        const isWrite = /^\w+ (write|append) /.test(line);
        const ways = isWrite ? (["before", "half", "after"] as const) : (["before", "after"] as const);
        return ways.flatMap((at) => [false, true].map((isLossy) => ({ process, step, at, isLossy })));
      }),
  );
}

function lifeAs({ samples }: Life): Life {
  const life = newLife();
  for (const sha256 of samples.keys()) life.samples.settle(sha256, samples.allowed(sha256)[0]);
  return life;
}
