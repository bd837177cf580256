import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { roundsSchema } from "../../device/api/schemas.ts";
import { seeded } from "../../runtime/random/random.ts";
import { type Recording, recordings } from "../e2e/board.ts";
import { failuresOf, isFull, partOf } from "./amount.ts";
import {
  bringByFolder,
  bringByHttp,
  expectAnswer,
  expectRest,
  expectSamples,
  type Life,
  name,
  newLife,
} from "./life.ts";
import { type Running, type Victim, victim } from "./victim.ts";

const KILLS = Number(process.env.LICHEN_KILLS ?? (isFull ? 1000 : 14));
/** A board lives through so many, then a fresh one takes its place: rounds shall not grow for ever. */
const KILLS_PER_BOARD = isFull ? 20 : 7;
const SEED = Number(process.env.LICHEN_SEED ?? Date.now() % 1e9);

test(`killed at ${KILLS} random instants while samples pour in and rounds run, a board has all that it acknowledged (seed ${SEED})`, {
  timeout: isFull ? 8 * 3600_000 : 300_000,
}, async () => {
  const boards = partOf(Array.from({ length: Math.ceil(KILLS / KILLS_PER_BOARD) }, (_, at) => SEED + at));
  const counts = { kills: 0, whileStarting: 0, whileTraining: 0, acknowledged: 0, rounds: 0 };
  const failures = await failuresOf(boards, async (seed) => {
    const random = seeded(seed);
    // Rounds by themselves, one after the other: not even a pause between them.
    const board = await victim({
      changes: { training: { minNewSamples: 3, epochs: 2, settleSeconds: 0, retrySeconds: 0 } },
    });
    const life = newLife();
    const sounds = await newSounds(board, seed);
    const [probe] = await recordings("board-a", "test");
    for (let kill = 0; kill < KILLS_PER_BOARD; kill++) {
      await torment(board, life, sounds, random, counts);
      const running = await board.start();
      await lookAt(board, life, probe!).catch((error) => {
        throw new Error(`after kill ${kill + 1}: ${error.stack}\n${board.log().slice(-3000)}`);
      });
      await running.kill();
    }
    const last = await board.start();
    await expectSamples(board, life);
    await expectRest(board);
    counts.acknowledged += life.samples.keys().length;
    counts.rounds += (await board.client.get("/v1/rounds", roundsSchema)).rounds.length;
    expect(await last.stop()).toBe(0);
    await board.remove();
  });
  process.stdout.write(`random instants: ${JSON.stringify(counts)}, seed ${SEED}\n`);
  expect(failures).toEqual([]);
  expect(counts.kills).toBe(boards.length * KILLS_PER_BOARD);
  expect(counts.acknowledged).toBeGreaterThan(counts.kills);
  expect(counts.rounds).toBeGreaterThan(0);
});

interface Counts {
  kills: number;
  whileStarting: number;
  whileTraining: number;
}

/** Starts a board, pours samples in by all ways at once, and kills it when chance says so. */
async function torment(board: Victim, life: Life, sounds: Sounds, random: () => number, counts: Counts): Promise<void> {
  // Most of its life it is up; but a start is where it puts things right, and one in five is cut short.
  const isEarly = random() < 0.2;
  const running = board.run();
  if (!isEarly) expect(await running.isUp()).toBe(true);
  const poured = isEarly ? [] : [pour(board, life, sounds, running), pourByFolder(board, life, sounds, running)];
  await sleep(random() * (isEarly ? 1500 : 2500));
  if (isEarly) counts.whileStarting++;
  else if ((await board.status().catch(() => null))?.round.phase !== "idle") counts.whileTraining++;
  await running.kill();
  counts.kills++;
  await Promise.all(poured);
}

/** Until the daemon is gone: only then may anything fail. */
async function pour(board: Victim, life: Life, sounds: Sounds, running: Running): Promise<void> {
  try {
    for (;;) {
      const [named, unnamed] = [await sounds.next(), await sounds.next()];
      await bringByHttp(board, life, [named], true);
      await bringByHttp(board, life, [unnamed], false);
      await name(board, life, unnamed, unnamed.label);
      await name(board, life, named, null);
      await name(board, life, named, named.label);
    }
  } catch (error) {
    await diedOf(error, running);
  }
}

async function pourByFolder(board: Victim, life: Life, sounds: Sounds, running: Running): Promise<void> {
  try {
    for (;;) await bringByFolder(board, life, [await sounds.next(), await sounds.next()]);
  } catch (error) {
    await diedOf(error, running);
  }
}

async function diedOf(error: unknown, running: Running): Promise<void> {
  const late = sleep(5000, undefined, { ref: false }).then(() => Promise.reject(error));
  expect(await Promise.race([running.ended, late])).toBe("SIGKILL");
}

async function lookAt(board: Victim, life: Life, probe: Recording): Promise<void> {
  await expectSamples(board, life);
  await expectAnswer(board, probe);
  const { problems, adapter } = await board.status();
  expect(problems).toEqual([]);
  const { rounds } = await board.client.get("/v1/rounds", roundsSchema);
  if (rounds.some(({ outcome }) => outcome.tag === "accepted")) expect(adapter.serving).not.toBeNull();
}

interface Sounds {
  next(): Promise<Recording>;
}

/** Recordings without end, no two alike: each has a number in a chunk that readers of WAV pass over. */
async function newSounds(board: Victim, seed: number): Promise<Sounds> {
  const all = await recordings("board-a", "train");
  const folder = join(board.folder, "sounds");
  await mkdir(folder);
  let made = 0;
  return {
    async next() {
      const { file, label } = all[(made * 7) % all.length]!;
      const number = Buffer.from(`LIST\0\0\0\0${seed}-${made}`.padEnd(32));
      number.writeUInt32LE(number.length - 8, 4);
      const path = join(folder, `${made++}.wav`);
      const whole = Buffer.concat([await readFile(file), number]);
      whole.writeUInt32LE(whole.length - 8, 4);
      await writeFile(path, whole);
      return { file: path, label };
    },
  };
}
