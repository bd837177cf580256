import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import * as z from "zod";
import { importedSchema, labelledSchema, purgedSchema, samplesSchema } from "../../device/api/sample-schemas.ts";
import {
  adaptersSchema,
  boardSchema,
  inferSchema,
  logsSchema,
  rollbackSchema,
  roundAnswerSchema,
  roundsSchema,
  statusSchema,
  useSchema,
  whySchema,
} from "../../device/api/schemas.ts";
import { type Board, board, compiled, dropAll, recordings, WAIT } from "./board.ts";

const named = (name: string, shape: z.ZodRawShape) =>
  z.strictObject({ schema: z.literal(`lichen/${name}/1`), ...shape });
const level = z.enum(["ok", "warning", "problem"]);
const meaning = { explanation: z.string(), todo: z.string() };

type Row = readonly [words: string[], schema: z.ZodType, codes?: number[]];

/** What each command that asks prints with `--json`, and how it may end. Those that change something come last. */
const COMMANDS = (probe: string, folder: string): readonly Row[] => [
  [["status"], statusSchema],
  [["why"], whySchema],
  [
    ["why", "round", "1"],
    named("why-round", { code: z.string(), found: z.string(), ...meaning, round: roundAnswerSchema.shape.round }),
  ],
  [
    ["why", "TOO_HOT"],
    named("why-code", { code: z.literal("TOO_HOT"), meanings: z.array(z.strictObject(meaning)).min(1) }),
  ],
  [
    ["top", "-n", "1"],
    named("top", {
      silentSeconds: z.null(),
      status: statusSchema,
      why: whySchema,
      board: boardSchema,
      logs: logsSchema.shape.records,
    }),
  ],
  [["infer", probe], inferSchema],
  [["samples"], samplesSchema],
  [["rounds"], roundsSchema],
  [["rounds", "1"], roundAnswerSchema],
  [["adapters"], adaptersSchema],
  [["sync"], named("sync", { sync: z.looseObject({ connected: z.literal(false) }), results: z.null() })],
  [["logs"], logsSchema],
  [
    ["doctor"],
    named("doctor", {
      well: z.literal(false),
      findings: z.array(z.strictObject({ check: z.string(), level, found: z.string(), todo: z.string().optional() })),
    }),
    [1],
  ],
  [
    ["bugreport", "--out", join(folder, "report.tar.gz"), "--force"],
    named("bugreport", { file: z.string(), bytes: z.number(), contents: z.array(z.string()).min(8) }),
  ],
];

/** Those about samples, and a round. */
const SAMPLES = (folder: string): readonly Row[] => [
  [["label", "last", "one"], labelledSchema],
  [["samples", "export", "--out", join(folder, "samples.tar")], named("exported", { file: z.string() })],
  [["samples", "import", join(folder, "samples.tar")], importedSchema],
  [["samples", "purge", "--all"], purgedSchema],
  [
    ["config", "show", join(folder, "lichend.yaml")],
    named("config", { config: z.looseObject({ device: z.string() }) }),
  ],
  [
    ["config", "check", join(folder, "lichend.yaml")],
    named("config-check", { file: z.string(), mistakes: z.array(z.never()) }),
  ],
  // The second one has nothing new to learn from.
  [["adapt"], roundAnswerSchema, [0, 1]],
];

const PINNING: readonly Row[] = [
  [["use", "base"], useSchema],
  [["use", "--auto"], useSchema],
];

/** Dozens of processes, one after the other, on a machine that may have other work. */
const PATIENCE_MS = 300_000;

async function trained(): Promise<{ of: Board; probe: string }> {
  // Port 9 (discard) of the loopback, where nothing listens.
  const of = await board({ mqtt: { broker: "mqtt://127.0.0.1:9", fleet: "lab" } });
  await of.start();
  await dropAll(of, await recordings("board-a", "train"));
  await vi.waitFor(async () => expect((await of.status()).adapter.serving).not.toBeNull(), WAIT);
  const [first] = await recordings("board-a", "test");
  return { of, probe: first!.file };
}

async function holds(of: Board, [words, schema, codes = [0]]: Row): Promise<void> {
  const json = await of.lichen(...words, "--json");
  expect(codes, `${words.join(" ")}: ${json.stderr}`).toContain(json.code);
  expect(json.stderr).toBe("");
  expect(json.stdout.trimEnd(), words.join(" ")).not.toContain("\n");
  const parsed = schema.safeParse(JSON.parse(json.stdout));
  expect(parsed.error?.issues ?? [], words.join(" ")).toEqual([]);

  const { code, stdout } = await of.lichen(...words);
  expect(codes, words.join(" ")).toContain(code);
  expect(stdout, words.join(" ")).not.toMatch(/(?!\n)\p{Cc}/u);
  // A path to copy is one word, whatever its length.
  const lines = stdout.split("\n").filter((line) => !line.startsWith("wrote /"));
  expect(Math.max(...lines.map((line) => line.length)), `${words.join(" ")}\n${stdout}`).toBeLessThanOrEqual(80);
}

test(
  "every command answers a script by its schema, and a person in 80 columns without an escape",
  async () => {
    const { of, probe } = await trained();
    for (const row of COMMANDS(probe, of.folder)) await holds(of, row);
    expect(rollbackSchema.safeParse(JSON.parse((await of.lichen("rollback", "--json")).stdout)).success).toBe(true);
    expect((await of.lichen("why")).stdout).toMatch(/^Out of service: [0-9a-f]{12}, ROLLED_BACK$/m);

    for (const row of PINNING) await holds(of, row);

    const values = await of.lichen("completion", "--values", "models");
    expect(values.stdout).toBe("main\n");
  },
  PATIENCE_MS,
);

test(
  "so does every command about samples, the configuration, and a round that is asked for",
  async () => {
    const of = await board({ training: { minNewSamples: 1000, epochs: 1 } });
    await of.start();
    const train = await recordings("board-a", "train");
    await dropAll(of, train);
    await vi.waitFor(async () => expect((await of.status()).samples.total).toBe(train.length), WAIT);
    for (const row of SAMPLES(of.folder)) await holds(of, row);
  },
  PATIENCE_MS,
);

test("whoever only asks the daemon does without ONNX Runtime, sharp and the database", async () => {
  const of = await board();
  await of.start();
  const hook = join(of.folder, "loaded.cjs");
  const list = join(of.folder, "loaded");
  await writeFile(
    hook,
    `process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(list)}, Object.keys(require.cache).join("\\n")))`,
  );
  vi.stubEnv("NODE_OPTIONS", `--require="${hook}"`);
  try {
    for (const words of [
      ["status"],
      ["why"],
      ["top", "-n", "1"],
      ["rounds"],
      ["logs"],
      ["sync"],
      ["doctor"],
      ["completion", "bash"],
    ]) {
      await of.lichen(...words);
      const loaded = await readFile(list, "utf8");
      expect(loaded, words.join(" ")).toMatch(/node_modules.commander/);
      expect(loaded, words.join(" ")).not.toMatch(/onnxruntime|node_modules.sharp|libsql/);
    }
  } finally {
    vi.unstubAllEnvs();
  }
});

test("doctor looks at a configuration without a daemon: the model answers, and mistakes are told", async () => {
  const of = await board();
  const file = join(of.folder, "lichend.yaml");
  const { code, stdout } = await of.lichen("doctor", "--config", file);
  expect(stdout).toMatch(/^ok +model +main: [0-9a-f]{12}, an inference takes \d+\.\d ms$/m);
  expect(stdout).toMatch(/^warning +daemon +DAEMON_NOT_REACHABLE/m);
  expect(code).toBe(0);
  await writeFile(file, "model: nowhere\nsurprise: 1\n");
  const wrong = await of.lichen("doctor", "--config", file);
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toMatch(/^problem +config +BAD_CONFIG/m);
});

test("logs are followed as they come, and left with code 0", async () => {
  const of = await board();
  await of.start();
  const { spawn } = await import("node:child_process");
  const socket = join(of.folder, "state of it", "lichend.sock");
  const child = spawn(process.execPath, [compiled("lichen.js"), "logs", "--follow", "--json", "--socket", socket]);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  await vi.waitFor(() => expect(text).toContain("lichend runs"), WAIT);
  await writeFile(join(of.folder, "bad.wav"), "no sound");
  await of.drop(join(of.folder, "bad.wav"), join("one", "bad.wav"));
  await vi.waitFor(() => expect(text).toContain("BAD_WAV"), WAIT);
  for (const line of text.trimEnd().split("\n")) expect(JSON.parse(line)).toMatchObject({ schema: "lichen/log/1" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  expect(await ended).toBe(0);
  expect(text.match(/lichend runs/g)).toHaveLength(1);
});
