#!/usr/bin/env node
import { totalmem } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { Logger } from "pino";
import { EXIT, exitCodeOf } from "./cli/exit.ts";
import { softwareVersion } from "./cli/version.ts";
import { systemClock } from "./clock.ts";
import { loadConfig } from "./config/load.ts";
import type { Config, StationConfig } from "./config/schema.ts";
import { createDaemon } from "./daemon.ts";
import { nodeDisk } from "./disk/disk.ts";
import { loadEngine } from "./engine.ts";
import { createClockTrust } from "./governor/clock-trust.ts";
import { governorPolicy } from "./governor/config.ts";
import { createGovernor } from "./governor/governor.ts";
import { createReadings, readTemperature } from "./governor/readings.ts";
import { nodeSystem } from "./governor/system.ts";
import { createResults } from "./inference/results.ts";
import { createLog, isStderrJournal, toStderr } from "./log.ts";
import { boardAnswer } from "./operation/board-answer.ts";
import { metricsSchema } from "./operation/config.ts";
import { metricsFacts } from "./operation/facts.ts";
import { createLiveConfig, type LiveConfig } from "./operation/live.ts";
import { metricsText } from "./operation/metrics.ts";
import { createNotifier, runProgram } from "./operation/notify.ts";
import { createService } from "./operation/service.ts";
import { childProcessJobs } from "./rounds/child.ts";
import { createStation, type Station } from "./station.ts";
import { createSync } from "./sync/index.ts";

const program = new Command("lichend")
  .description("Adapts a frozen model on this board, from samples that stay here.")
  .requiredOption("--config <file>", "the YAML configuration")
  .version(softwareVersion())
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
const { config: file } = program.parse().opts<{ config: string }>();

const system = nodeSystem();
const readings = createReadings(system, systemClock.monotonicMs);
const isClockTrusted = createClockTrust(system, systemClock.monotonicMs);

try {
  await run(await loadConfig(file));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(exitCodeOf(error));
}

async function run(config: Config): Promise<void> {
  const log = createLog(config.log, {
    device: config.device,
    clock: systemClock,
    write: toStderr,
    isJournal: isStderrJournal(process.env),
  });
  const live = createLiveConfig(config, () => loadConfig(file));
  const stations: Station[] = [];
  const trainsBeside = (name: string) =>
    stations.find((other) => other.name !== name && other.isTraining())?.name ?? null;
  for (const station of config.stations)
    stations.push(await openStation(station, live, log.logger, () => trainsBeside(station.name)));
  const daemon = createDaemon({
    socket: config.socket,
    ...(config.http && { http: config.http }),
    stations,
    clock: systemClock,
    log: log.logger,
    service: {
      ring: log.ring,
      facts: boardFacts(config),
      ...(config.metrics && { metrics: () => metrics(stations, live) }),
    },
  });
  const notifier = createNotifier({
    env: process.env,
    pid: process.pid,
    run: runProgram,
    warn: (message) => log.logger.warn(message),
  });
  const service = createService({ notifier, log, clock: systemClock, live, stations });

  let stopping = false;
  const stop = async (signal: NodeJS.Signals) => {
    // A second signal is impatience: then go at once, every state on disk allows it.
    if (stopping) process.exit(EXIT.failed);
    stopping = true;
    log.logger.info({ signal }, "stopping");
    await service.stopping();
    await daemon.stop();
    log.stop();
    process.exit(EXIT.ok);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // Before the start: a signal that nobody waits for would end the daemon.
  let reloading = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading.then(service.reload).catch((error) => log.logger.error({ err: error }, "not reloaded"));
  });
  await daemon.start();
  await service.ready();
}

// A function, and no constant: the daemon runs before a constant down here would have its value.
function boardFacts({ data }: Config) {
  return () => boardAnswer({ system, readings, isClockTrusted, clock: systemClock, config: resolve(file), data });
}

async function metrics(stations: readonly Station[], live: LiveConfig): Promise<string> {
  const statuses = stations.map(({ name, board }) => [name, board.status()] as const);
  const facts = metricsFacts(statuses, await readTemperature(system), systemClock.wallMs());
  return metricsText(facts, live.board().metrics ?? metricsSchema.parse({}));
}

/** @throws MODEL_NOT_FOUND, MODEL_CORRUPT, BAD_CARD, REHEARSAL_CORRUPT */
async function openStation(
  station: StationConfig,
  live: LiveConfig,
  log: Logger,
  elsewhere: () => string | null,
): Promise<Station> {
  const { device, mqtt, results, governor, stations } = live.board();
  const isOnly = stations.length === 1;
  const ownLog = isOnly ? log : log.child({ of: station.name });
  // Each model is a device of its own in the fleet: adapters are made for models.
  const name = isOnly ? device : `${device}.${station.name}`;
  const { hangSeconds, process: child } = station.training;
  return createStation(station, {
    device: name,
    models: stations.map((other) => other.name),
    engine: await loadEngine(station.model, station.threads),
    jobs: childProcessJobs({
      trainer: fileURLToPath(new URL("rounds/trainer.js", import.meta.url)),
      owner: station.data,
      hangMs: hangSeconds * 1000,
      graceMs: child.graceSeconds * 1000,
      maxMemoryBytes: child.maxMemoryBytes ?? totalmem() / 2,
      maxHeapBytes: child.maxHeapBytes,
      system,
      log: ownLog,
    }),
    elsewhere,
    system,
    wattsPerCore: governor.wattsPerCore,
    governor: createGovernor({
      readings,
      isClockTrusted,
      clock: systemClock,
      policy() {
        const { minNewSamples, settleSeconds, retrySeconds } = live.model(station.name).training;
        const rounds = { minNewSamples, settleMs: settleSeconds * 1000, retryMs: retrySeconds * 1000 };
        return governorPolicy(live.board().governor, rounds);
      },
    }),
    disk: nodeDisk,
    clock: systemClock,
    random: Math.random,
    live: () => live.model(station.name),
    notices: live.problems,
    log: ownLog,
    softwareVersion: softwareVersion(),
    ...(results && {
      results: (of) =>
        createResults({
          ...{ ...of, config: results, device, disk: nodeDisk, clock: systemClock, random: Math.random, log: ownLog },
          ...(mqtt && { fleet: mqtt }),
          softwareVersion: softwareVersion(),
        }),
    }),
    ...(mqtt && {
      broker: mqtt,
      fleet: (ports) =>
        createSync(
          { ...mqtt, device: name },
          { ...ports, log: ownLog, random: Math.random, nowMs: systemClock.monotonicMs },
        ),
    }),
  });
}
