import { copyFile, mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { board, dropAll, lichend, MODEL, recordings, stop, WAIT } from "./board.ts";

test("samples arrive, a round trains, the gate accepts, the adapter serves: and all of it survives a restart", async () => {
  const a = await board();
  const daemon = await a.start();
  const train = await recordings("board-a", "train");
  const [probe] = await recordings("board-a", "test");
  await dropAll(a, train);
  await vi.waitFor(async () => expect((await a.status()).round.last?.outcome.tag).toBe("accepted"), WAIT);

  const status = await a.status();
  expect(status.samples).toMatchObject({ total: train.length, new: 0 });
  expect(status.adapter).toMatchObject({ serving: status.round.last?.adapter, version: 1, previous: null });
  const printed = await a.lichen("status", "--json");
  expect(JSON.parse(printed.stdout)).toMatchObject({ schema: "lichen/status/1", adapter: status.adapter });
  const { before, after } = status.round.last!.metrics!;
  expect(after.heldOut!.accuracy).toBeGreaterThan(before.heldOut!.accuracy);
  for (const { label } of train) expect(await readdir(join(a.folder, "watched folder", label))).toEqual([]);

  await a.drop(probe!.file, join("inbox", "probe.wav"));
  const note = join(a.folder, "watched folder", "done", "probe.wav.json");
  const result = await vi.waitFor(async () => JSON.parse(await readFile(note, "utf8")), WAIT);
  expect(result.adapter).toBe(status.adapter.serving);
  const asked = await a.lichen("infer", probe!.file, "--json");
  expect(JSON.parse(asked.stdout)).toMatchObject({ label: result.label, confidence: result.confidence });

  expect(await stop(daemon)).toBe(0);
  await a.start();
  const again = await a.status();
  expect(again.adapter).toEqual(status.adapter);
  expect(again.samples).toEqual(status.samples);

  const back = await a.lichen("rollback", "--json");
  expect(JSON.parse(back.stdout)).toMatchObject({ serving: null, version: 2 });
  const refusal = await a.lichen("rollback");
  expect(refusal).toMatchObject({ code: 1, stdout: "" });
  expect(refusal.stderr).toContain("NOTHING_TO_ROLL_BACK");
});

test("killed in mid-round and started again, the board has every acknowledged sample and makes up for the round", async () => {
  // So long that it cannot end before the kill.
  const a = await board({ training: { minNewSamples: 1000, epochs: 100_000, settleSeconds: 0, retrySeconds: 0.1 } });
  const daemon = await a.start();
  const train = await recordings("board-a", "train");
  await dropAll(a, train);
  await vi.waitFor(async () => expect((await a.status()).samples.total).toBe(train.length), WAIT);
  const before = JSON.parse((await a.lichen("samples", "--json")).stdout).samples;
  const round = a.lichen("adapt");
  // Not its state alone: a round is owed from when its record is on the medium.
  await vi.waitFor(async () => expect((await a.status()).round.last?.outcome.tag).toBe("running"), WAIT);
  await stop(daemon, "SIGKILL");
  expect((await round).code).toBe(3);

  await a.start();
  const after = JSON.parse((await a.lichen("samples", "--json")).stdout).samples;
  expect(new Set(after.map(identity))).toEqual(new Set(before.map(identity)));
  expect((await a.status()).adapter.serving).toBeNull();
  await vi.waitFor(
    async () => expect((await a.status()).round.last).toMatchObject({ id: 2, trigger: "samples" }),
    WAIT,
  );
  const history = await readFile(join(a.folder, "state of it", "rounds", "history.json"), "utf8");
  expect(JSON.parse(history).rounds[0]).toMatchObject({ id: 1, outcome: { code: "ROUND_INTERRUPTED" } });
});

const identity = ({ sha256, label }: { sha256: string; label: string }) => `${label}/${sha256}`;

test("a damaged adapter does not keep the board from starting, and is told", async () => {
  const a = await board();
  const daemon = await a.start();
  await dropAll(a, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await a.status()).adapter.serving).not.toBeNull(), WAIT);
  const { serving } = (await a.status()).adapter;
  await stop(daemon);
  await truncate(join(a.folder, "state of it", "adapters", `${serving}.safetensors`), 100);
  await a.start();
  const status = await a.status();
  expect(status.adapter).toMatchObject({ serving: null, current: null });
  expect(status.problems).toMatchObject([{ code: "ADAPTER_CORRUPT" }]);
});

test("bad files of every kind move to rejected with a reason, good ones of unusual formats are taken", async () => {
  const a = await board();
  await a.start();
  const bytes: Record<string, Buffer> = {
    "empty.wav": Buffer.alloc(0),
    "header.wav": Buffer.from("RIFX, or so it says, and then not much"),
    "silent.wav": wav({ seconds: 0 }),
    "cut.wav": wav({}).subarray(0, 30),
    "picture.jpg": Buffer.from([0xff, 0xd8, 0xff]),
  };
  const good: Record<string, Buffer> = {
    "stereo.wav": wav({ channels: 2 }),
    "fast.wav": wav({ rate: 44_100 }),
    "8-bit.wav": wav({ bits: 8 }),
    "24-bit.wav": wav({ bits: 24 }),
  };
  const outside = join(a.folder, "outside");
  await mkdir(outside);
  for (const [name, content] of Object.entries({ ...bytes, ...good })) {
    await writeFile(join(outside, name), content);
    await a.drop(join(outside, name), join("one", name));
  }
  await mkdir(join(a.folder, "watched folder", "eleven"));
  await a.drop(join(outside, "stereo.wav"), join("eleven", "eleven.wav"));

  const wanted = Object.keys(bytes).length + 1;
  await vi.waitFor(async () => {
    const [source] = (await a.status()).sources;
    expect(source).toMatchObject({ accepted: Object.keys(good).length, rejected: wanted });
  }, WAIT);
  const rejected = join(a.folder, "watched folder", "rejected");
  for (const name of [...Object.keys(bytes), "eleven.wav"]) {
    const { code, message } = JSON.parse(await readFile(join(rejected, `${name}.error.json`), "utf8"));
    expect(code, name).toMatch(/^[A-Z_]+$/);
    expect(code, name).not.toBe("INTERNAL");
    expect(message).toContain("To do:");
  }
  expect((await a.status()).samples.total).toBe(Object.keys(good).length);
});

test("an unknown key in the configuration ends the daemon with code 2 and the line", async () => {
  const a = await board({ training: { minNewSample: 3 } });
  const { code, stderr } = await lichend("--config", join(a.folder, "lichend.yaml"));
  expect(code).toBe(2);
  expect(stderr).toMatch(/BAD_CONFIG.*lichend\.yaml:\d+: training\.minNewSample.*minNewSamples/);
});

test("a model that is not there is named, and so is a daemon that does not answer", async () => {
  const a = await board({ model: "no such folder" });
  const { code, stderr } = await lichend("--config", join(a.folder, "lichend.yaml"));
  expect(code).toBe(1);
  expect(stderr).toContain("MODEL_NOT_FOUND");
  const asked = await a.lichen("status", "--json");
  expect(asked).toMatchObject({ code: 3, stdout: "" });
  expect(asked.stderr).toContain("DAEMON_NOT_REACHABLE");
});

test("without its broker the board works, and says that it waits", async () => {
  // Port 9 (discard) of the loopback, where nothing listens.
  const a = await board({ mqtt: { broker: "mqtt://127.0.0.1:9", fleet: "lab" }, model: MODEL });
  await a.start();
  const [probe] = await recordings("board-a", "test");
  expect((await a.lichen("infer", probe!.file)).code).toBe(0);
  expect((await a.status()).sync).toMatchObject({ broker: expect.stringContaining("127.0.0.1:9"), offer: null });
});

test("a second daemon on the same socket is refused, and the first one serves on", async () => {
  const a = await board();
  await a.start();
  const { code, stderr } = await lichend("--config", join(a.folder, "lichend.yaml"));
  expect(code).toBe(1);
  expect(stderr).toContain("SOCKET_IN_USE");
  await a.status();
});

interface Format {
  readonly seconds?: number;
  readonly rate?: number;
  readonly channels?: number;
  readonly bits?: 8 | 16 | 24;
}

/** A tone as a PCM WAV file. */
function wav({ seconds = 0.5, rate = 8000, channels = 1, bits = 16 }: Format): Buffer {
  const frames = Math.round(seconds * rate);
  const frameBytes = (channels * bits) / 8;
  const file = Buffer.alloc(44 + frames * frameBytes);
  file.write("RIFF", 0);
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(channels, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * frameBytes, 28);
  file.writeUInt16LE(frameBytes, 32);
  file.writeUInt16LE(bits, 34);
  file.write("data", 36);
  file.writeUInt32LE(frames * frameBytes, 40);
  for (let at = 0; at < frames * channels; at++) {
    const value = 0.5 * Math.sin((2 * Math.PI * 440 * Math.floor(at / channels)) / rate);
    const place = 44 + (at * bits) / 8;
    if (bits === 8) file.writeUInt8(Math.round(128 + 127 * value), place);
    else file.writeIntLE(Math.round(value * (2 ** (bits - 1) - 1)), place, bits / 8);
  }
  return file;
}

test("two models of one board hear, store and answer each for itself", async () => {
  const station = (name: string) => ({ model: MODEL, watch: { folder: name, stableMs: 100 } });
  const own = { model: undefined, watch: undefined, training: undefined };
  const a = await board({ ...own, models: { ears: station("ears"), more: station("more ears") } });
  await a.start();
  const [first] = await recordings("board-a", "train");
  await copyFile(first!.file, join(a.folder, "more ears", first!.label, "x.wav"));
  const samples = async (...parameters: string[]) => {
    const { stdout } = await a.lichen("samples", "--json", ...parameters);
    return JSON.parse(stdout).samples;
  };
  await vi.waitFor(async () => expect(await samples("--of", "more")).toHaveLength(1), WAIT);
  expect(await samples()).toEqual([]);
  expect((await a.status()).models).toEqual(["ears", "more"]);
  const nobody = await a.lichen("infer", first!.file, "--of", "eyes");
  expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("NO_SUCH_MODEL") });
});

test("a board in a place that sounds otherwise for good aligns, and does not keep what it knew elsewhere", async () => {
  const a = await board({ training: { method: "bias+scale", align: true, settleSeconds: 0.5 } });
  await a.start();
  await dropAll(a, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await a.status()).round.last?.outcome.tag).toBe("accepted"), WAIT);
  const { before, after } = (await a.status()).round.last!.metrics!;
  expect(after.heldOut!.accuracy).toBeGreaterThan(before.heldOut!.accuracy);
  expect(after.rehearsal).toBeNull();
});
