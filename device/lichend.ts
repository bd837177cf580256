#!/usr/bin/env node
import { totalmem } from "node:os";
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
import { createReadings } from "./governor/readings.ts";
import { nodeSystem } from "./governor/system.ts";
import { createResults } from "./inference/results.ts";
import { createLog, isStderrJournal, toStderr } from "./log.ts";
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
  const { logger: log } = createLog(config.log, {
    device: config.device,
    clock: systemClock,
    write: toStderr,
    isJournal: isStderrJournal(process.env),
  });
  const stations = await Promise.all(config.stations.map((station) => openStation(station, config, log)));
  const daemon = createDaemon({
    socket: config.socket,
    ...(config.http && { http: config.http }),
    stations,
    clock: systemClock,
    log,
  });

  let stopping = false;
  const stop = async (signal: NodeJS.Signals) => {
    // A second signal is impatience: then go at once, every state on disk allows it.
    if (stopping) process.exit(EXIT.failed);
    stopping = true;
    log.info({ signal }, "stopping");
    await daemon.stop();
    process.exit(EXIT.ok);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  await daemon.start();
}

/** @throws MODEL_NOT_FOUND, MODEL_CORRUPT, BAD_CARD, REHEARSAL_CORRUPT */
async function openStation(
  station: StationConfig,
  { device, mqtt, results, governor, stations }: Config,
  log: Logger,
): Promise<Station> {
  const isOnly = stations.length === 1;
  const ownLog = isOnly ? log : log.child({ of: station.name });
  // Each model is a device of its own in the fleet: adapters are made for models.
  const name = isOnly ? device : `${device}.${station.name}`;
  const { hangSeconds, minNewSamples, settleSeconds, retrySeconds, process: child } = station.training;
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
    system,
    wattsPerCore: governor.wattsPerCore,
    governor: createGovernor({
      readings,
      isClockTrusted,
      clock: systemClock,
      policy: () =>
        governorPolicy(governor, { minNewSamples, settleMs: settleSeconds * 1000, retryMs: retrySeconds * 1000 }),
    }),
    disk: nodeDisk,
    clock: systemClock,
    random: Math.random,
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
