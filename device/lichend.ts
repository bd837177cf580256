#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { EXIT, exitCodeOf } from "./cli/exit.ts";
import { softwareVersion } from "./cli/version.ts";
import { systemClock } from "./clock.ts";
import { loadConfig } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import { createDaemon } from "./daemon.ts";
import { nodeDisk } from "./disk/disk.ts";
import { loadEngine } from "./engine.ts";
import { createLog } from "./log.ts";
import { childProcessJobs } from "./rounds/child.ts";
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
  const { mqtt } = config;
  const daemon = createDaemon(config, {
    engine: await loadEngine(config.model, config.threads),
    runJob: childProcessJobs({
      trainer: fileURLToPath(new URL("rounds/trainer.js", import.meta.url)),
      hangMs: config.training.hangSeconds * 1000,
      log,
    }),
    disk: nodeDisk,
    clock: systemClock,
    log,
    softwareVersion: softwareVersion(),
    ...(mqtt && {
      fleet: (ports) =>
        createSync(
          { ...mqtt, device: config.device },
          { ...ports, log, random: Math.random, nowMs: systemClock.monotonicMs },
        ),
    }),
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
