import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { type Board, board, dropAll, recordings, stop, WAIT } from "./board.ts";

/** A board that serves an adapter of its own, and the adapter's name. */
async function adapted(a: Board): Promise<string> {
  await dropAll(a, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await a.status()).adapter.serving).not.toBeNull(), WAIT);
  return (await a.status()).adapter.serving!;
}

test("killed at start after start, the board leaves the adapter for the base, and says why", async () => {
  const a = await board();
  const first = await a.start();
  const adapter = await adapted(a);
  await stop(first);
  for (let start = 0; start < 2; start++) {
    const daemon = await a.start();
    expect((await a.status()).adapter.serving).toBe(adapter);
    await stop(daemon, "SIGKILL");
  }
  await a.start();
  const status = await a.status();
  expect(status.adapter.serving).toBeNull();
  expect(status.problems).toMatchObject([{ code: "CRASH_LOOP" }]);
  const shown = JSON.parse((await a.lichen("adapters", "--json")).stdout);
  expect(shown.refused).toMatchObject([{ sha256: adapter, reason: "CRASH_LOOP" }]);
});

test("a rollback holds against the next round on the same samples, and a pinned base against any", async () => {
  const a = await board();
  await a.start();
  const adapter = await adapted(a);
  expect((await a.lichen("rollback")).code).toBe(0);
  const again = await a.lichen("adapt", "--json");
  expect(again.code).toBe(1);
  // The very same numbers, in a file that was made at another time.
  expect(JSON.parse(again.stdout).round).toMatchObject({ outcome: { tag: "rejected", reason: "SAME_AS_REFUSED" } });
  expect((await a.status()).adapter.serving).toBeNull();

  expect((await a.lichen("use", adapter.slice(0, 10))).stderr).toContain("ADAPTER_NOT_HELD");
  expect((await a.lichen("use", "base")).code).toBe(0);
  expect((await a.lichen("adapt")).stderr).toContain("ADAPTER_PINNED");
  expect((await a.lichen("use", "--auto")).code).toBe(0);
  expect((await a.lichen("use")).code).toBe(2);
});

test("stopped in the middle of training, the board goes on after the start from what it had learnt, and knows what that took", async () => {
  const changes = { minNewSamples: 1000, epochs: 100_000, settleSeconds: 0, retrySeconds: 0.1 };
  const a = await board({ training: changes });
  const daemon = await a.start();
  const train = await recordings("board-a", "train");
  await dropAll(a, train);
  await vi.waitFor(async () => expect((await a.status()).samples.total).toBe(train.length), WAIT);
  const asked = a.lichen("adapt");
  const { progress } = await vi.waitFor(async () => {
    const { round } = await a.status();
    expect(round.phase).toBe("training");
    expect(round.progress!.done).toBeGreaterThan(2);
    return round;
  }, WAIT);
  await stop(daemon);
  expect((await asked).code).toBe(1);
  // Written when it was told to end, and not only every ten seconds.
  expect((await stat(join(a.folder, "state of it", "rounds", "checkpoint.safetensors"))).size).toBeGreaterThan(0);
  const history = JSON.parse(await readFile(join(a.folder, "state of it", "rounds", "history.json"), "utf8"));
  expect(history.rounds[0].resources).toMatchObject({
    cpuSeconds: expect.any(Number),
    energy: { source: expect.any(String) },
  });
  expect(history.rounds[0].resources.peakMemoryBytes).toBeGreaterThan(2 ** 20);

  await a.start();
  const seen: number[] = [];
  await vi.waitFor(async () => {
    const now = (await a.status()).round.progress;
    if (now?.phase === "train") seen.push(now.done);
    expect(seen.length).toBeGreaterThan(0);
  }, WAIT);
  expect(seen[0]).toBeGreaterThanOrEqual(progress!.done);
  expect((await a.status()).round.last).toMatchObject({ id: 2, continues: 1 });
});

test("what passed the gate works beside the current adapter until enough inferences have been answered by both", async () => {
  const a = await board({ shadow: { minInferences: 12 } });
  await a.start();
  await dropAll(a, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await a.status()).round.phase).toBe("shadowing"), WAIT);
  const all = await recordings("board-a", "test");
  // Of several classes.
  const probes = [0, 1, 2, 3].map((part) => all[Math.floor((part * all.length) / 4)]!);
  await vi.waitFor(async () => {
    for (const { file } of probes) expect((await a.lichen("infer", file)).code).toBe(0);
    expect((await a.status()).round.phase).toBe("idle");
  }, WAIT);
  const { adapter, round } = await a.status();
  expect(round.last!.outcome.tag, JSON.stringify(round.last)).toBe("accepted");
  expect(round.last!.shadow!.inferences).toBe(12);
  expect(adapter.serving).toBe(round.last!.adapter);
});
