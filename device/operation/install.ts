import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { packageRoot } from "../package-root.ts";
import { carryOut, type Outcome, runOnSystem, type System } from "./carry-out.ts";
import {
  DATA_FOLDER,
  type InstallOptions,
  installSteps,
  isWithin,
  RUNTIME_FOLDER,
  type Step,
  told,
  type UninstallOptions,
  uninstallSteps,
} from "./installation.ts";
import type { Device } from "./unit.ts";

export interface InstallRequest {
  readonly root: string;
  readonly prefix: string;
  readonly user: string;
  readonly config?: string;
  readonly devices: readonly Device[];
  readonly memoryHigh: string;
  readonly memoryMax: string;
  readonly dryRun: boolean;
}

export interface InstallResult {
  readonly schema: "lichen/install/1";
  readonly dryRun: boolean;
  readonly steps: readonly { readonly step: string; readonly outcome: Outcome | "not tried" }[];
}

/** @throws BAD_CONFIG before anything is changed; INSTALL_FAILED */
export async function runInstall(request: InstallRequest, system: System): Promise<InstallResult> {
  const { dryRun, config, devices, memoryHigh, memoryMax, ...rest } = request;
  const options: InstallOptions = {
    ...rest,
    ...(config !== undefined && { config: resolve(config) }),
    packageRoot: packageRoot(),
    unit: { ...needs(config === undefined ? null : await loadConfig(config)), devices, memoryHigh, memoryMax },
  };
  return perform(installSteps(options), dryRun, system);
}

/** @throws INSTALL_FAILED */
export const runUninstall = (
  request: Omit<UninstallOptions, "packageRoot"> & { readonly dryRun: boolean },
  system: System,
): Promise<InstallResult> =>
  perform(uninstallSteps({ ...request, packageRoot: packageRoot() }), request.dryRun, system);

async function perform(steps: readonly Step[], dryRun: boolean, system: System): Promise<InstallResult> {
  const results: { step: string; outcome: Outcome | "not tried" }[] = [];
  for (const step of steps) {
    results.push({ step: told(step), outcome: dryRun ? "not tried" : await carryOut(step, system) });
  }
  return { schema: "lichen/install/1", dryRun, steps: results };
}

/** What the unit has to allow beside its own folders. Without a configuration of one's own it is the one in /etc, which needs nothing. */
function needs(config: Config | null): Pick<InstallOptions["unit"], "node" | "writable" | "readsHome"> {
  const node = process.execPath;
  const read = [node, packageRoot(), ...(config?.stations.map(({ model }) => model) ?? [])];
  const written = config === null ? [] : [config.data, dirname(config.socket), ...watched(config)];
  return {
    node,
    writable: [...new Set(written)].filter((folder) => !GIVEN.some((given) => isWithin(folder, given))),
    readsHome: [...read, ...written].some((path) => HOMES.some((home) => isWithin(path, home))),
  };
}

const watched = ({ stations }: Config): string[] => stations.flatMap(({ watch }) => (watch ? [watch.folder] : []));

/** Folders that ProtectHome hides. */
const HOMES = ["/home", "/root", "/run/user"];

/** Folders that systemd makes for the unit. */
const GIVEN = [DATA_FOLDER, RUNTIME_FOLDER];

/** The system whose root a folder is; systemd runs it as sd_booted(3) tells. */
export const systemAt = (root: string): System => ({
  isLive: root === "/" && existsSync("/run/systemd/system"),
  run: runOnSystem,
});
