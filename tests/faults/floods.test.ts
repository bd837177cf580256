import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { samplesSchema } from "../../device/api/sample-schemas.ts";
import { freePort } from "../../scripts/free-port.ts";
import { recordings } from "../e2e/board.ts";
import { isFull } from "./amount.ts";
import { asking, peakBytes, quantile, residentBytes } from "./measures.ts";
import { victim } from "./victim.ts";

const FILES = 10_000;
const MiB = 2 ** 20;

/** How long an answer may take while a flood is dealt with: a person, or a machine that waits, does not notice. */
const PROMPT_MS = 1000;

test(`${FILES} files dropped at once are all taken, in bounded memory, while inferences are answered promptly`, {
  timeout: isFull ? 900_000 : 240_000,
}, async () => {
  // In memory, where there is such a place: this is about the daemon, not about the disk of whoever tests.
  const fast = await access("/dev/shm").then(() => "/dev/shm", tmpdir);
  const place = await mkdtemp(join(fast, "lichen flood "));
  onTestFinished(() => rm(place, { recursive: true, force: true }));
  const board = await victim({ data: join(place, "data") });
  await mkdir(join(place, "watch"));
  await symlink(join(place, "watch"), join(board.folder, "watch"));
  const { process: daemon } = await board.start();
  const [probe] = await recordings("board-a", "test");
  const atRest = await residentBytes(daemon.pid!);

  const aside = join(place, "aside");
  await mkdir(aside);
  for (let at = 0; at < FILES; at++) await writeFile(join(aside, `${at}.wav`), blip(at));
  const one = join(place, "watch", "one");
  await rm(one, { recursive: true });
  const asked = asking(board, await readFile(probe!.file));
  // All of them in one instant.
  await rename(aside, one);

  for (let left = FILES; left > 0; left = (await readdir(one)).length) {
    expect(daemon.exitCode).toBeNull();
    await sleep(500);
  }
  const latencies = await asked.stop();
  const { samples } = await board.client.get("/v1/samples", samplesSchema);
  expect(samples).toHaveLength(FILES);
  expect(latencies.length).toBeGreaterThan(20);
  const grown = (await peakBytes(daemon.pid!)) - atRest;
  process.stdout.write(
    `${FILES} files: ${latencies.length} answers, p99 ${quantile(latencies, 0.99).toFixed(0)} ms, ${(grown / MiB).toFixed(0)} MiB more\n`,
  );
  expect(quantile(latencies, 0.99)).toBeLessThan(PROMPT_MS);
  expect(grown).toBeLessThan(256 * MiB);
});

test("a client that floods HTTP is told to wait, and others are served as ever", { timeout: 240_000 }, async () => {
  const port = await freePort();
  const board = await victim({ changes: { http: { port } } });
  const { process: daemon } = await board.start();
  const [probe] = await recordings("board-a", "test");
  const body = await readFile(probe!.file);
  const atRest = await residentBytes(daemon.pid!);
  const answers = new Map<string, number>();
  let isOver = false;
  const flood = Array.from({ length: 150 }, async () => {
    while (!isOver) {
      const answer = await post(port, body);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      // A client that is not let in at all comes again a little later.
      if (answer === "refused") await sleep(10);
    }
  });
  const asked = asking(board, body);
  await sleep(5000);
  const latencies = await asked.stop();
  isOver = true;
  await Promise.all(flood);

  process.stdout.write(
    `flood: ${JSON.stringify(Object.fromEntries(answers))}, others: ${latencies.length} answers, p99 ${quantile(latencies, 0.99).toFixed(0)} ms\n`,
  );
  expect([...answers.keys()].filter((answer) => !["200", "429", "503", "refused"].includes(answer))).toEqual([]);
  expect(answers.get("200")).toBeGreaterThan(0);
  expect((answers.get("503") ?? 0) + (answers.get("429") ?? 0) + (answers.get("refused") ?? 0)).toBeGreaterThan(0);
  expect(latencies.length).toBeGreaterThan(5);
  // Those who flood run in the process that asks, on the same two cores.
  expect(quantile(latencies, 0.5)).toBeLessThan(PROMPT_MS);
  expect(quantile(latencies, 0.99)).toBeLessThan(5 * PROMPT_MS);
  expect((await peakBytes(daemon.pid!)) - atRest).toBeLessThan(256 * MiB);
  expect(await post(port, body)).toBe("200");
});

/** One request on a connection of its own. @returns its status; `refused` for a connection that is closed; `silence` */
const post = (port: number, body: Uint8Array): Promise<string> =>
  new Promise((answered) => {
    const options = { port, host: "127.0.0.1", path: "/v1/infer?name=x.wav", method: "POST", agent: false };
    const asked = request({ ...options, headers: { "content-length": body.length } }, (response) => {
      response.resume().once("close", () => answered(`${response.statusCode}`));
    });
    asked.setTimeout(10_000, () => answered("silence"));
    asked.once("error", () => answered("refused"));
    asked.end(body);
  });

/** A twentieth of a second of a tone, no two alike. */
function blip(at: number): Buffer {
  const frames = 400;
  const file = Buffer.alloc(44 + 2 * frames);
  file.write("RIFF", 0);
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(8000, 24);
  file.writeUInt32LE(16_000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36);
  file.writeUInt32LE(2 * frames, 40);
  for (let frame = 0; frame < frames; frame++)
    file.writeInt16LE(Math.round(8000 * Math.sin((frame * (50 + at)) / 800)), 44 + 2 * frame);
  file.writeUInt32LE(at, file.length - 4);
  return file;
}
