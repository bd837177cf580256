import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { DaemonRefusal } from "../../device/cli/refusal.ts";
import { seeded } from "../../runtime/random/random.ts";
import { MODEL, type Recording, recordings } from "../e2e/board.ts";
import { failuresOf, isFull } from "./amount.ts";
import { bringByFolder, bringByHttp, expectAnswer, expectSamples, newLife, train } from "./life.ts";
import { filesBelow, type Victim, victim } from "./victim.ts";

const DAMAGES = {
  empty: () => new Uint8Array(),
  truncated: (bytes: Uint8Array) => bytes.subarray(0, Math.floor(bytes.length / 2)),
  random: (bytes: Uint8Array) => {
    const random = seeded(bytes.length);
    return bytes.map(() => Math.floor(random() * 256));
  },
} satisfies Record<string, (bytes: Uint8Array) => Uint8Array>;

type Damage = keyof typeof DAMAGES;

/** What a board keeps, by kind, and what it must still be able to do when that is damaged. */
const KINDS: Readonly<Record<string, { of: RegExp; keeps: { adapter: boolean } }>> = {
  // The value before holds then, and before the first adapter that was the base.
  "the shelf's state": { of: /adapters\/state\.json$/, keeps: { adapter: false } },
  "the adapters' standing": { of: /adapters\/standing\.json$/, keeps: { adapter: true } },
  "the adapter": { of: /\.safetensors$/, keeps: { adapter: false } },
  "the round's state": { of: /rounds\/state\.json$/, keeps: { adapter: true } },
  "the round's plan": { of: /rounds\/plan\.json$/, keeps: { adapter: true } },
  "the history": { of: /rounds\/history\.json$/, keeps: { adapter: true } },
  "the roles": { of: /rounds\/roles\.json$/, keeps: { adapter: true } },
  "the index": { of: /\.index\/index\.db$/, keeps: { adapter: true } },
  "the journal": { of: /\.index\/journal$/, keeps: { adapter: true } },
  "cached activations": { of: /cache\/.*\.rows$/, keeps: { adapter: true } },
  "the index of cached activations": { of: /cache\/.*\.index$/, keeps: { adapter: true } },
  "everything but samples": { of: /\.(json|db|rows|index|safetensors)$|journal$/, keeps: { adapter: false } },
};

/** In CI each kind meets one damage, the full run tries all. */
const CASES = Object.keys(KINDS).flatMap((kind, at) =>
  (Object.keys(DAMAGES) as Damage[]).filter((_, nth) => isFull || nth === at % 3).map((damage) => ({ kind, damage })),
);

test("whatever file of its data is damaged, a board starts, infers, has its samples, and learns again", {
  timeout: isFull ? 1200_000 : 240_000,
}, async () => {
  const all = await recordings("board-a", "train");
  const [probe] = await recordings("board-a", "test");
  const template = await victim();
  const before = newLife();
  const making = await template.start();
  await bringByFolder(
    template,
    before,
    all.filter((_, at) => at % 2 === 0),
  );
  const learnt = await train(template, before);
  expect(learnt).not.toBeNull();
  expect(await making.stop()).toBe(0);

  const failures = await failuresOf(CASES, async ({ kind, damage }) => {
    const board = await victim({ copyOf: template.folder });
    const { of, keeps } = KINDS[kind]!;
    const damaged = (await filesBelow(board.data)).filter((file) => of.test(file));
    expect(damaged, "files of that kind").not.toEqual([]);
    for (const file of damaged) await writeFile(file, DAMAGES[damage](await readFile(file)));
    const life = newLife();
    for (const sha256 of before.samples.keys()) life.samples.settle(sha256, before.samples.allowed(sha256)[0]);
    await board.start();
    const { adapter, problems } = await board.status();
    if (keeps.adapter) expect(adapter.current).toBe(learnt);
    // What is a view, or was lost with nothing gone, is no problem; what a person would miss is told.
    if (kind === "the adapter") expect(problems.map(({ code }) => code)).toContain("ADAPTER_CORRUPT");
    if (damaged.some((file) => file.endsWith(".json") && !file.endsWith(".previous.json")))
      expect(problems.map(({ code }) => code)).toContain("STATE_CORRUPT");
    await expectAlive(board, life, probe!, all[1]!).catch((error) => {
      throw new Error(`${error.stack}\n${board.log().slice(-3000)}`);
    });
    await board.remove();
  });
  expect(failures).toEqual([]);
});

async function expectAlive(board: Victim, life: ReturnType<typeof newLife>, probe: Recording, another: Recording) {
  await expectSamples(board, life);
  await expectAnswer(board, probe);
  await bringByHttp(board, life, [another], true);
  await expectSamples(board, life);
  // It need not be accepted, what serves may be as good; it must come to its end.
  await trainInTurn(board, life);
}

/** A round that was under way by what is left of the history is made up for, and may begin between the look and the request. */
async function trainInTurn(board: Victim, life: ReturnType<typeof newLife>): Promise<void> {
  await board.until(async () => expect((await board.status()).round.phase).toBe("idle"));
  await train(board, life).catch((error) => {
    if (!(error instanceof DaemonRefusal) || error.code !== "ROUND_RUNNING") throw error;
    return trainInTurn(board, life);
  });
}

test("a sample that went bad on the medium keeps no round from the others, and is told", async () => {
  const board = await victim();
  const life = newLife();
  const all = await recordings("board-a", "train");
  await board.start();
  await bringByFolder(
    board,
    life,
    all.filter((_, at) => at % 2 === 0),
  );
  const files = (await filesBelow(join(board.data, "samples"))).filter((file) => file.endsWith(".wav"));
  for (const [at, damage] of Object.values(DAMAGES).entries())
    await writeFile(files[at]!, damage(await readFile(files[at]!)));
  expect(await train(board, life)).not.toBeNull();
  expect(board.log()).toContain(basename(files[0]!));
  expect(board.log()).toContain("a stored sample is unreadable");
});

test.each([
  { file: "card.json", code: /BAD_CARD/ },
  { file: "model.onnx", code: /MODEL_CORRUPT/ },
  { file: "rehearsal.safetensors", code: /REHEARSAL_CORRUPT|MODEL_CORRUPT/ },
])("with a damaged $file the daemon ends at once, with the code and the file", async ({ file, code }) => {
  for (const damage of Object.values(DAMAGES)) {
    const board = await victim({ changes: { model: "model" } });
    const model = join(board.folder, "model");
    await cp(MODEL, model, { recursive: true });
    const path = join(model, file);
    await writeFile(path, damage(await readFile(path)));
    expect(await board.run().ended).toBe(1);
    expect(board.log()).toMatch(code);
    expect(board.log()).toContain(model);
    await rm(model, { recursive: true });
  }
});
