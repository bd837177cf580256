import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { board, dropAll, recordings, stop, WAIT } from "./board.ts";

const json = (ran: { stdout: string; stderr: string }) => {
  expect(ran.stderr).toBe("");
  return JSON.parse(ran.stdout);
};

test("what was inferred is kept, labelled over the command, exported, taken in elsewhere, and erased", async () => {
  const quiet = { training: { minNewSamples: 1000 } };
  const a = await board({ samples: { keepUnlabelled: true }, ...quiet });
  const daemon = await a.start();
  const train = (await recordings("board-a", "train")).slice(0, 4);
  await dropAll(a, train.slice(1));
  await a.drop(train[0]!.file, join("inbox", "probe.wav"));
  const kept = async () => json(await a.lichen("samples", "--json"));
  await vi.waitFor(async () => expect((await kept()).unlabelled).toHaveLength(1), WAIT);
  await vi.waitFor(async () => expect((await kept()).samples).toHaveLength(3), WAIT);
  const [probe] = (await kept()).unlabelled;
  expect(probe).toMatchObject({ source: "folder", origin: null, form: "raw", prediction: { adapter: null } });

  const label = train[0]!.label;
  expect(json(await a.lichen("label", "--json", probe.sha256.slice(0, 12), label)).samples).toMatchObject([
    { sha256: probe.sha256, before: null, label, outcome: "relabelled" },
  ]);
  expect(json(await a.lichen("label", "--json", "--retract", probe.sha256)).samples).toMatchObject([{ label: null }]);
  expect((await a.lichen("label", "last")).code).toBe(2);
  expect(await a.lichen("label", "ffffffff", label)).toMatchObject({ code: 1 });
  const since = json(await a.lichen("label", "--json", "--since", "1h", label));
  expect(since.samples).toHaveLength(4);

  expect(await stop(daemon)).toBe(0);
  await a.start();
  const after = await kept();
  expect([after.samples.length, after.unlabelled.length]).toEqual([4, 0]);
  for (const line of (await a.lichen("samples", "list", "--each")).stdout.split("\n")) {
    expect(line.length).toBeLessThanOrEqual(80);
  }

  const archive = join(a.folder, "samples.tar");
  expect((await a.lichen("samples", "export", "--out", archive)).code).toBe(0);
  const b = await board({ device: "board-b", samples: { privacy: "features" }, ...quiet });
  await b.start();
  expect(json(await b.lichen("samples", "import", archive, "--json"))).toMatchObject({ stored: 4, refused: [] });
  expect(json(await b.lichen("samples", "--json")).samples).toMatchObject(Array(4).fill({ form: "features", label }));
  const files = await readdir(join(b.folder, "state of it", "samples"), { recursive: true });
  expect(files.filter((name) => name.endsWith(".wav"))).toEqual([]);

  expect((await a.lichen("samples", "purge", "--all")).stdout).toContain("would erase 4 samples");
  expect((await kept()).samples).toHaveLength(4);
  expect(json(await a.lichen("samples", "purge", "--all", "--yes", "--json"))).toMatchObject({ erased: 4 });
  expect((await kept()).samples).toHaveLength(0);
  const journal = await readFile(join(a.folder, "state of it", "samples", ".index", "journal"), "utf8");
  expect(journal).not.toContain(probe.sha256);
});

test("a board that keeps only features learns from them", async () => {
  const a = await board({ samples: { privacy: "features" } });
  await a.start();
  const train = await recordings("board-a", "train");
  await dropAll(a, train);
  await vi.waitFor(async () => expect((await a.status()).round.last?.outcome.tag).toBe("accepted"), WAIT);
  const status = await a.status();
  expect(status.samples.total).toBe(train.length);
  const { before, after } = status.round.last!.metrics!;
  expect(after.heldOut!.accuracy).toBeGreaterThan(before.heldOut!.accuracy);
});
