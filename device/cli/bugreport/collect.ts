import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform, release, totalmem, uptime } from "node:os";
import { parse } from "yaml";
import type * as z from "zod";
import { adaptersSchema, boardSchema, logsSchema, roundsSchema, statusSchema, whySchema } from "../../api/schemas.ts";
import type { Client } from "../client.ts";
import { type DoctorFacts, isValue } from "../doctor/facts.ts";
import { judge } from "../doctor/judge.ts";
import { softwareVersion } from "../version.ts";
import { scrubbed, secretsOf, shownConfig, type Unspeakable } from "./scrub.ts";

/** Files of a report by name, each JSON but the page that says what they are. */
export type Report = Readonly<Record<string, string>>;

export interface Collecting {
  readonly client: (model?: string) => Client;
  /** What doctor has gathered. */
  readonly facts: DoctorFacts;
  readonly nowMs: number;
}

/** All that helps whoever looks into a problem, and nothing of what the board has seen or been told in confidence. */
export async function collect({ client, facts, nowMs }: Collecting): Promise<Report> {
  const { file } = facts.config;
  const config = file === null ? null : await plain(file);
  const models = isValue(facts.daemon) ? facts.daemon.value.models : [];
  const stations = await Promise.all(models.map(async (name) => [name, await station(client(name))] as const));
  const unspeakable: Unspeakable = {
    secrets: secretsOf(config),
    labels: [...new Set(stations.flatMap(([, { labels }]) => labels))],
  };
  const logs = await asked(client(), "/v1/logs?level=info&last=1000", logsSchema);
  const parts: Readonly<Record<string, unknown>> = {
    "version.json": { lichen: softwareVersion(), node: process.version, madeAt: new Date(nowMs).toISOString() },
    "system.json": await systemFacts(),
    "config.json": config === null ? { missing: true } : shownConfig(config),
    "doctor.json": { findings: judge(told(facts), nowMs) },
    "board.json": await asked(client(), "/v1/board", boardSchema),
    "logs.json": logs,
    ...Object.fromEntries(stations.map(([name, { told }]) => [`models/${name}.json`, told])),
  };
  const files = Object.entries(parts).map(([name, value]) => [
    name,
    `${JSON.stringify(scrubbed(value, unspeakable), null, 1)}\n`,
  ]);
  return { "README.txt": PAGE, ...Object.fromEntries(files) };
}

const PAGE = `A report of Lichen, for whoever looks into a problem.

version.json     what runs
system.json      what it runs on
config.json      the configuration, without secrets and without arguments of programs
doctor.json      what lichen doctor found
board.json       temperature, load, memory and disk, as the daemon sees them
logs.json        what the daemon logged last
models/*.json    status, reasons, rounds and adapters of each model

There are no samples in it and no adapters, and no label of a sample: classes are numbered in the model's order, and counted.
Passwords, tokens and keys of the configuration are taken out, also where they stand in logs. Please look through it all the same.
`;

async function station(client: Client) {
  const status = await asked(client, "/v1/status", statusSchema);
  const [why, rounds, adapters] = await Promise.all([
    asked(client, "/v1/why", whySchema),
    asked(client, "/v1/rounds", roundsSchema),
    asked(client, "/v1/adapters", adaptersSchema),
  ]);
  return { labels: "model" in status ? status.model.labels : [], told: { status, why, rounds, adapters } };
}

/** What is not to be had says why; the report is made all the same. */
const asked = <T>(client: Client, path: string, schema: z.ZodType<T>): Promise<T | { readonly unavailable: string }> =>
  client.get(path, schema).catch((error) => ({ unavailable: String((error as Error).message) }));

/** The file as it stands there, valid or not: what it says has to be known to be kept back. */
const plain = (file: string): Promise<unknown> =>
  readFile(file, "utf8")
    .then((text): unknown => parse(text))
    .catch(() => null);

/** A mistake in the configuration quotes what was found there, which may be a secret. */
const told = (facts: DoctorFacts): DoctorFacts => ({
  ...facts,
  config: {
    ...facts.config,
    mistakes: facts.config.mistakes.map(({ code, message }) => ({
      code,
      message: message.replace(/found .*?(; wanted|\)|$)/s, "found (hidden)$1"),
    })),
  },
});

async function systemFacts(): Promise<Record<string, unknown>> {
  const [osRelease, device, pressure] = await Promise.all(
    ["/etc/os-release", "/proc/device-tree/model", "/proc/pressure/cpu"].map((path) =>
      readFile(path, "latin1").catch(() => null),
    ),
  );
  return {
    system: /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease ?? "")?.[1] ?? null,
    // Ends with a zero byte.
    board: device?.replaceAll("\0", "") ?? null,
    kernel: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model ?? null,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    upSeconds: Math.round(uptime()),
    pressureStallInformation: pressure !== null,
  };
}
