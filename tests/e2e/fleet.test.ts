import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { startBroker } from "../../scripts/broker.ts";
import { board, dropAll, recordings, stop, WAIT } from "./board.ts";

async function fleet() {
  const broker = await startBroker({ port: 0 });
  onTestFinished(() => broker.stop());
  const mqtt = { broker: broker.url, fleet: "lab" };
  const a = await board({ device: "board-a", mqtt });
  const b = await board({ device: "board-b", mqtt, training: { minNewSamples: 1000 } });
  return { a, b };
}

test("what one board learns, the other one fetches, judges and serves, byte for byte", async () => {
  const { a, b } = await fleet();
  await a.start();
  const daemonB = await b.start();
  await dropAll(a, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await b.status()).adapter.serving).not.toBeNull(), WAIT);

  const [ofA, ofB] = [await a.status(), await b.status()];
  expect(ofB.adapter.serving).toBe(ofA.adapter.serving);
  expect(ofB.round.last).toMatchObject({ kind: "appraise", trigger: "fleet", outcome: { tag: "accepted" } });
  const stored = (folder: string) =>
    readFile(join(folder, "state of it", "adapters", `${ofA.adapter.serving}.safetensors`));
  expect(await stored(b.folder)).toEqual(await stored(a.folder));

  // Rolled back, it stays away: the broker still holds the offer, and tells it at the next connection.
  expect((await b.lichen("rollback")).code).toBe(0);
  await stop(daemonB);
  await b.start();
  await vi.waitFor(async () => expect((await b.status()).sync).toMatchObject({ connected: true }), WAIT);
  const after = await b.status();
  expect(after.adapter.serving).toBeNull();
  expect(after.round.last?.id).toBe(ofB.round.last?.id);
});

test("an adapter that does harm here is refused here, whatever it was worth where it came from", async () => {
  const { a, b } = await fleet();
  await b.start();
  // Another voice of board B, with the names of the digits mixed up: nobody else's adapter can be right about it.
  const own = (await recordings("board-b", "train")).filter((_, at) => at % 2 === 0);
  const labels = own.map(({ label }) => label);
  await dropAll(
    b,
    own.map(({ file }, at) => ({ file, label: labels[(at + Math.floor(labels.length / 2)) % labels.length]! })),
  );
  await vi.waitFor(async () => expect((await b.status()).samples.total).toBe(own.length), WAIT);
  await a.start();
  await dropAll(a, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await b.status()).round.last?.outcome.tag).toBe("rejected"), WAIT);
  expect((await b.status()).adapter.serving).toBeNull();
  expect((await a.status()).adapter.serving).not.toBeNull();
});
