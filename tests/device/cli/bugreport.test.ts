import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { unpackTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { packReport } from "../../../device/cli/bugreport/archive.ts";
import { collect } from "../../../device/cli/bugreport/collect.ts";
import { scrubbed, secretsOf, shownConfig } from "../../../device/cli/bugreport/scrub.ts";
import type { Client } from "../../../device/cli/client.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { VIEW } from "./views.ts";

const SECRETS = [
  "swordfish",
  "hun%20ter",
  "hun ter",
  "t0ken-of-http",
  "8811223344",
  "query-t0ken",
  "an-argument",
  "in-the-environment",
];
const CONFIG = `
model: m
http: { port: 8044, token: t0ken-of-http }
mqtt: { broker: "mqtts://name:hun%20ter@broker:8883", fleet: lab, password: swordfish }
labels: { mqtt: { broker: "wss://broker/mqtt?auth=query-t0ken", password: 8811223344 } }
sources: [{ kind: command, name: cam, stream: jpeg, argv: [ffmpeg, -i, an-argument], env: { KEY: in-the-environment } }]
`;
const PEOPLE = ["alice", "bob"];
const planted = SECRETS.slice(0, 6).join(", ");

/** Answers as a daemon does whose every message has secrets and names in it. */
const client: Client = {
  get: async (path, schema) => {
    const { status, why, board, logs } = VIEW;
    const said = `CODE: watch/alice/1.wav of "bob", mqtt://eve:swordfish@broker, ${planted}`;
    const counts = {
      inferences: 2,
      agreements: 1,
      current: side,
      candidate: side,
      rise: { sum: 0, squares: 0 },
      labelled: { samples: 0, onlyCurrent: 0, onlyCandidate: 0 },
      seconds: 1,
    };
    const rounds = [{ ...status.round.last, outcome: { tag: "failed", code: "X", message: said }, shadow: counts }];
    const answers: Record<string, unknown> = {
      "/v1/status": {
        ...status,
        model: { ...status.model, labels: PEOPLE },
        samples: { ...status.samples, perClass: { alice: 41, bob: 7 } },
        problems: [{ code: "X", message: said }],
      },
      "/v1/why": { ...why, problems: [{ code: "X", message: said }] },
      "/v1/board": board,
      "/v1/rounds": { schema: "lichen/rounds/1", rounds },
      "/v1/adapters": { schema: "lichen/adapters/1", version: 1, current: null, previous: null, refused: [] },
    };
    const log = { ...logs, records: [{ level: "warn", time: "t", message: said }] };
    return schema.parse(path.startsWith("/v1/logs") ? log : answers[path]);
  },
  post: () => Promise.reject(new Error("a report changes nothing")),
  download: () => Promise.reject(new Error("a report takes no samples")),
  follow: () => {
    throw new Error("a report starts nothing");
  },
};
const side = { logConfidence: 0, entropy: 0, answers: { alice: 1, bob: 1 } };

const facts = (file: string) => ({
  config: {
    file,
    isNamed: false,
    mistakes: [
      { code: "BAD_CONFIG", message: 'BAD_CONFIG: wrong (f:3: mqtt.password; found "swordfish"; wanted string)' },
    ],
  },
  daemon: { value: VIEW.status },
  board: VIEW.board,
  disk: null,
  flash: [],
  brokers: [],
  models: [],
  firmware: { isThere: false, answers: false },
  wantedBytes: null,
  hasHours: false,
});

async function reportOf(from: Client): Promise<string[]> {
  const file = join(await mkdtemp(join(tmpdir(), "lichen report ")), "lichen.yml");
  await writeFile(file, CONFIG);
  const report = await collect({ client: () => from, facts: facts(file), nowMs: 0 });
  const entries = await unpackTar(gunzipSync(await packReport(report, "report", 0)));
  return entries.map(({ header, data }) => `${header.name}\n${Buffer.from(data ?? []).toString("utf8")}`);
}

describe("a bug report", () => {
  it("holds no secret of the configuration and no name of a class, wherever they were planted", async () => {
    const files = await reportOf(client);
    for (const file of files) for (const word of [...SECRETS, ...PEOPLE]) expect(file).not.toContain(word);
  });

  it("counts what is labelled, by the place of a class in the model", async () => {
    const model = (await reportOf(client)).find((file) => file.startsWith("report/models/main.json"));
    expect(model).toMatch(/"class 1": 41,\s+"class 2": 7/);
    expect(model).toContain("watch/class 1/1.wav");
  });

  it("has what helps: versions, the board, logs, rounds, and the configuration otherwise as it is", async () => {
    const files = await reportOf(client);
    const names = files.map((file) => file.slice(0, file.indexOf("\n")));
    expect(names).toEqual(
      [
        "README.txt",
        "version.json",
        "system.json",
        "config.json",
        "doctor.json",
        "board.json",
        "logs.json",
        "models/main.json",
      ].map((name) => `report/${name}`),
    );
    const config = files.find((file) => file.startsWith("report/config.json"))!;
    for (const part of ["8044", "lab", "ffmpeg", "broker:8883"]) expect(config).toContain(part);
  });

  it("is made without a daemon, too, and says so", async () => {
    const silent: Client = {
      ...client,
      get: () => Promise.reject(new LichenError("DAEMON_NOT_REACHABLE", { at: "socket" })),
    };
    const files = await reportOf(silent);
    expect(files.find((file) => file.startsWith("report/logs.json"))).toContain("DAEMON_NOT_REACHABLE");
    for (const file of files) for (const word of SECRETS) expect(file).not.toContain(word);
  });
});

describe("what is taken out", () => {
  it("secrets by their keys, and of addresses who logs in and what is asked", () => {
    const config = {
      mqtt: { password: "pass1", broker: "mqtts://u:p%40ss@host?x=yes" },
      plain: "word",
      tokens: ["tok1"],
    };
    expect(secretsOf(config)).toEqual(expect.arrayContaining(["pass1", "p%40ss", "p@ss", "yes", "tok1"]));
    expect(secretsOf(config)).not.toContain("word");
  });

  it("arguments and environments of programs", () => {
    expect(shownConfig({ sources: [{ argv: ["a", "b", "c"], env: { X: "y" } }] })).toEqual({
      sources: [{ argv: ["a", "(2 arguments (hidden))"], env: "(hidden)" }],
    });
  });

  it("a class's name where it is a name, not where it is a word of a sentence", () => {
    const unspeakable = { secrets: [], labels: ["one"] };
    expect(scrubbed("it is one of them, in watch/one/x.wav, label «one»", unspeakable)).toBe(
      "it is one of them, in watch/class 1/x.wav, label «class 1»",
    );
  });
});
