import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { commandSource, type Sense } from "../../../device/sources/command.ts";
import { commandSchema } from "../../../device/sources/config.ts";
import type { Inference, Sink, SourceFile } from "../../../device/sources/source.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { decodeWav, encodeWav } from "../../../runtime/signal/wav.ts";
import { silent, temporaryFolder } from "../fixtures.ts";

const SOUND: Sense = { kind: "sound", windowSamples: 800, sampleRateHz: 800 };
const PICTURES: Sense = { kind: "pictures" };
const ANSWER: Inference = { label: "one", confidence: 1, probabilities: {}, adapter: null, milliseconds: 1 };

const recording = (seconds: number) =>
  encodeWav({
    sampleRateHz: 1600,
    channels: [Float32Array.from({ length: seconds * 1600 }, (_, n) => Math.sin(n / 3) / 2)],
  });

/** A source whose program is a script in a folder of its own, where it may leave traces. */
async function running(script: string, change: object, sense = SOUND) {
  const folder = await temporaryFolder();
  const heard: { file: SourceFile; label?: string | null }[] = [];
  const sink = {
    sample: vi.fn<Sink["sample"]>(async (file, label) => void heard.push({ file, label })),
    infer: vi.fn<Sink["infer"]>(async (file) => {
      heard.push({ file });
      return ANSWER;
    }),
  };
  await writeFile(join(folder, "program.mjs"), `import fs from "node:fs";\n${script}`);
  const config = commandSchema.parse({
    kind: "command",
    name: "mic",
    argv: [process.execPath, "program.mjs"],
    stream: sense.kind === "sound" ? "wav" : "jpeg",
    retrySeconds: 0.02,
    graceSeconds: 0.2,
    ...change,
  });
  const source = commandSource({
    config,
    sense,
    labels: ["one", "two"],
    workingFolder: folder,
    clock: systemClock,
    log: silent,
    random: () => 0.5,
  });
  const write = (name: string, bytes: Uint8Array) => writeFile(join(folder, name), bytes);
  const start = async () => {
    onTestFinished(() => source.stop());
    await source.start(sink);
  };
  return { folder, heard, sink, source, write, start };
}

const once = { again: "failure" };
const CAT = `process.stdout.write(fs.readFileSync("sound.wav"));`;

test("a recording on stdout is inferred window by window, at its own rate", async () => {
  const { heard, source, write, start } = await running(CAT, once);
  await write("sound.wav", recording(2.5));
  await start();
  await vi.waitFor(() => expect(source.counts().inferred).toBe(4), 10_000);
  expect(heard.map(({ file }) => file.name)).toEqual(["mic-1.wav", "mic-2.wav", "mic-3.wav", "mic-4.wav"]);
  const { sampleRateHz, channels } = decodeWav(heard[1]!.file.bytes, "second window");
  expect(sampleRateHz).toBe(1600);
  expect(channels[0]).toEqual(decodeWav(recording(2.5), "all").channels[0]!.slice(800, 2400));
  await vi.waitFor(() => expect(source.health?.()).toEqual({ state: "stopped", problem: null, starts: 1, skipped: 0 }));
});

test("with a label, windows are stored as samples of the class, and silent ones are skipped", async () => {
  const { heard, source, write, start } = await running(CAT, { ...once, label: "two" });
  const quiet = new Float32Array(1600 * 2);
  quiet.set(decodeWav(recording(0.5), "").channels[0]!);
  await write("sound.wav", encodeWav({ sampleRateHz: 1600, channels: [quiet] }));
  await start();
  await vi.waitFor(() => expect(source.health?.().skipped).toBe(2), 10_000);
  expect(heard.map(({ label }) => label)).toEqual(["two"]);
  expect(source.counts()).toEqual({ accepted: 1, inferred: 0, rejected: 0 });
});

test("a program hears nothing of what the service manager says to the daemon", async () => {
  vi.stubEnv("NOTIFY_SOCKET", "/run/systemd/notify");
  vi.stubEnv("AUDIODEV", "hw:1");
  onTestFinished(() => void vi.unstubAllEnvs());
  const { folder, start } = await running(`fs.writeFileSync("env", JSON.stringify(process.env));`, once);
  await start();
  const env = await vi.waitFor(async () => JSON.parse(await readFile(join(folder, "env"), "utf8")), 10_000);
  expect(env.AUDIODEV).toBe("hw:1");
  expect(env).not.toHaveProperty("NOTIFY_SOCKET");
});

test("raw samples need no header", async () => {
  const { source, write, start } = await running(CAT, {
    ...once,
    stream: "raw",
    raw: { sampleRateHz: 800, channels: 2 },
  });
  await write("sound.wav", recording(2).subarray(44));
  await start();
  await vi.waitFor(() => expect(source.counts().inferred).toBe(3), 10_000);
});

test("a program that fails is started again, later each time, and its last words are in the status", async () => {
  const { source, start } = await running(`console.error("no microphone\\n\\u001b[31m"); process.exit(3);`, {});
  await start();
  await vi.waitFor(() => expect(source.health?.().starts).toBeGreaterThan(2), 10_000);
  expect(source.health?.().problem).toMatchObject({
    code: "PROGRAM_FAILED",
    message: expect.stringMatching(/exit code 3, last words: no microphone \[31m/),
  });
});

test("a program that is not there is no error of the daemon's", async () => {
  const { source, start } = await running("", { argv: ["/nowhere/arecord"] });
  await start();
  await vi.waitFor(() => expect(source.health?.().starts).toBeGreaterThan(1), 10_000);
  expect(source.health?.().problem?.message).toContain("ENOENT");
});

test("a program that writes no sound is ended, told by code, and started again", async () => {
  const { source, start } = await running(`setInterval(() => process.stdout.write("hello, world"), 1);`, {});
  await start();
  await vi.waitFor(() => expect(source.health?.().starts).toBeGreaterThan(1), 10_000);
  expect(source.health?.().problem?.code).toBe("BAD_WAV");
});

test("a program that hangs is ended and started again", async () => {
  const { source, start } = await running("setInterval(() => {}, 1000);", { hangSeconds: 0.2 });
  await start();
  await vi.waitFor(() => expect(source.health?.().starts).toBeGreaterThan(1), 10_000);
  expect(source.health?.().problem?.message).toContain("nothing of use came");
});

test("when the source stops, everything that the program started is gone, however deaf it is", async () => {
  const script = `
    import { spawn } from "node:child_process";
    process.on("SIGTERM", () => {});
    const child = spawn(process.execPath, ["-e", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], { stdio: "inherit" });
    setTimeout(() => fs.writeFileSync("pids", process.pid + " " + child.pid), 300);
    setInterval(() => {}, 1000);`;
  const { folder, source, start } = await running(script, {});
  await start();
  const pids = await vi.waitFor(async () => {
    const text = await readFile(join(folder, "pids"), "utf8");
    expect(text).toMatch(/^\d+ \d+$/);
    return text.split(" ").map(Number);
  }, 10_000);
  await source.stop();
  const isAlive = (pid: number) =>
    readFile(`/proc/${pid}/stat`, "utf8").then(
      (stat) => !/\) Z /.test(stat),
      () => false,
    );
  await vi.waitFor(async () => {
    for (const pid of pids) expect(await isAlive(pid)).toBe(false);
  }, 10_000);
  expect(source.health?.().state).toBe("stopped");
});

test("a source stops while its program waits to be started again", async () => {
  const { source, start } = await running("process.exit(1);", { retrySeconds: 60 });
  await start();
  await vi.waitFor(() => expect(source.health?.().state).toBe("waiting"), 10_000);
  await source.stop();
  expect(source.health?.()).toMatchObject({ state: "stopped", starts: 1 });
});

test("while the board is busy a program that floods waits, and nothing piles up", async () => {
  const { folder, source, sink, write, start } = await running(
    `const sound = fs.readFileSync("sound.wav");
     process.stdout.write(sound.subarray(0, 44));
     const more = () => { while (process.stdout.write(sound.subarray(44))) fs.appendFileSync("written", "."); };
     process.stdout.on("drain", more); more();`,
    {},
  );
  const sound = recording(1);
  new DataView(sound.buffer, sound.byteOffset).setUint32(40, 0xffff_ffff, true);
  await write("sound.wav", sound);
  let release = () => {};
  sink.infer.mockImplementation(() => new Promise((resolve) => (release = () => resolve(ANSWER))));
  await start();
  await vi.waitFor(() => expect(sink.infer).toHaveBeenCalledOnce(), 10_000);
  // Once the pipe is full the program stands still.
  const written = async () => (await readFile(join(folder, "written"))).length;
  await vi.waitFor(async () => {
    const before = await written();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await written()).toBe(before);
  }, 10_000);
  expect(sink.infer).toHaveBeenCalledOnce();
  sink.infer.mockImplementation(async () => ANSWER);
  release();
  await vi.waitFor(() => expect(source.counts().inferred).toBeGreaterThan(20), 10_000);
});

test("of pictures the newest is looked at, at the rate that was set, and the others are counted", async () => {
  const { heard, source, write, start } = await running(
    `let n = 0;
     setInterval(() => { if (n < 40) process.stdout.write(fs.readFileSync("p" + (n++ % 4))); }, 10);`,
    { everyMs: 150 },
    PICTURES,
  );
  const pictures = await Promise.all(
    ["#100", "#010", "#001", "#111"].map((background) =>
      sharp({ create: { width: 8, height: 8, channels: 3, background } })
        .jpeg()
        .toBuffer(),
    ),
  );
  await Promise.all(pictures.map((picture, at) => write(`p${at}`, picture)));
  await start();
  await vi.waitFor(() => expect(source.counts().inferred + source.health!().skipped).toBe(40), 10_000);
  expect(source.counts().inferred).toBeGreaterThanOrEqual(2);
  expect(source.counts().inferred).toBeLessThan(20);
  for (const { file } of heard) expect(pictures.some((picture) => picture.equals(file.bytes))).toBe(true);
  expect(heard[0]?.file.name).toBe("mic-1.jpg");
});

test("windows that find no place in the queue are skipped, and those that are refused are counted", async () => {
  const { source, sink, write, start } = await running(CAT, once);
  await write("sound.wav", recording(2));
  sink.infer.mockRejectedValueOnce(new LichenError("QUEUE_FULL")).mockRejectedValueOnce(new LichenError("BAD_WAV"));
  await start();
  await vi.waitFor(() => expect(source.counts()).toEqual({ accepted: 0, inferred: 1, rejected: 1 }), 10_000);
  expect(source.health?.().skipped).toBe(1);
});

test("a program for the wrong sense, or for a class that the model does not have, is refused", async () => {
  await expect(running("", { stream: "jpeg" })).rejects.toMatchObject({ code: "BAD_CONFIG" });
  await expect(running("", { label: "three" })).rejects.toMatchObject({ code: "UNKNOWN_CLASS" });
});
