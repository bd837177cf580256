#!/usr/bin/env node
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
import { createLog } from "./log.ts";
import { childProcessJobs } from "./rounds/child.ts";
import { createStation, type Station } from "./station.ts";
import { createSync } from "./sync/index.ts";

const program = new Command("lichend")
  .description("Adapts a frozen model on this board, from samples that stay here.")
  .requiredOption("--config <file>", "the YAML configuration")
  .version(softwareVersion())
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
const { config: file } = program.parse().opts<{ config: string }>();

try {
  await run(await loadConfig(file));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(exitCodeOf(error));
}

async function run(config: Config): Promise<void> {
  const log = createLog(config.log, config.device);
  const stations = await Promise.all(config.stations.map((station) => openStation(station, config, log)));
  const daemon = createDaemon({ socket: config.socket, ...(config.http && { http: config.http }), stations, log });

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
async function openStation(station: StationConfig, { device, mqtt, stations }: Config, log: Logger): Promise<Station> {
  const isOnly = stations.length === 1;
  const ownLog = isOnly ? log : log.child({ of: station.name });
  // Each model is a device of its own in the fleet: adapters are made for models.
  const name = isOnly ? device : `${device}.${station.name}`;
  return createStation(station, {
    device: name,
    models: stations.map((other) => other.name),
    engine: await loadEngine(station.model, station.threads),
    runJob: childProcessJobs({
      trainer: fileURLToPath(new URL("rounds/trainer.js", import.meta.url)),
      hangMs: station.training.hangSeconds * 1000,
      log: ownLog,
    }),
    disk: nodeDisk,
    clock: systemClock,
    random: Math.random,
    log: ownLog,
    softwareVersion: softwareVersion(),
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
