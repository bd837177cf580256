import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Config, StationConfig } from "../config/schema.ts";
import { reload } from "./reload.ts";

/** The configuration that holds now. */
export interface LiveConfig {
  board(): Config;
  /** @param name of a model that the daemon started with */
  model(name: string): StationConfig;
  /** Reads the file again; one that is not valid changes nothing. Returns what is to be said of it. */
  reload(): Promise<LiveChange>;
  /** Of the file's last reading: what it is that does not hold. */
  problems(): readonly LichenError[];
}

export interface LiveChange {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly applied: readonly string[];
}

/** @param read what the file says now.  @throws BAD_CONFIG */
export function createLiveConfig(started: Config, read: () => Promise<Config>): LiveConfig {
  let holding = started;
  let problems: readonly LichenError[] = [];

  return {
    board: () => holding,
    model: (name) => holding.stations.find((station) => station.name === name)!,
    problems: () => problems,
    async reload() {
      try {
        const { config, applied, waiting } = reload(holding, await read());
        holding = config;
        problems = waiting.length === 0 ? [] : [new LichenError("RESTART_NEEDED", { at: waiting.join(", ") })];
        const taken = applied.length === 0 ? "nothing else holds now" : `what holds now: ${applied.join(", ")}`;
        const [problem] = problems;
        const message = `the configuration was read again, ${taken}${problem ? `; ${problem.message}` : ""}`;
        return { level: problem ? "warn" : "info", message, applied };
      } catch (error) {
        if (errorCode(error) !== "BAD_CONFIG") throw error;
        problems = [error as LichenError];
        return { level: "error", message: `the old configuration holds on: ${(error as Error).message}`, applied: [] };
      }
    },
  };
}
