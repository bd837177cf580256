import type { Logger } from "pino";
import type { FullPreprocessing } from "../../runtime/package/preprocessing.ts";
import type { Clock } from "../clock.ts";
import type { StationConfig } from "../config/schema.ts";
import type { Disk } from "../disk/disk.ts";
import type { LabelOrigin } from "../samples/sample.ts";
import type { BrokerAddress } from "../sync/broker.ts";
import { commandSource, type Sense } from "./command.ts";
import type { SourceConfig } from "./config.ts";
import { folderSource } from "./folder.ts";
import { mqttSource } from "./mqtt.ts";
import type { Source } from "./source.ts";

export interface SourcePorts {
  readonly labels: readonly string[];
  readonly sense: Sense;
  /** Name of the board, for brokers. */
  readonly device: string;
  /** Where sources listen that name no broker. */
  readonly broker?: BrokerAddress;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
}

/** A source, and what the labels count that it gives. */
export interface OpenSource {
  readonly source: Source;
  readonly origin: LabelOrigin;
}

type Kind = SourceConfig["kind"];
type ConfigOf<K extends Kind> = { readonly [L in K]: Extract<SourceConfig, { kind: L }> }[K];

const SWEEP_MS = 5000;

/** How each kind of source is opened. */
const KINDS: {
  readonly [K in Kind]: (config: ConfigOf<K>, station: StationConfig, ports: SourcePorts) => OpenSource;
} = {
  folder: (config, _, ports) => ({
    source: folderSource({ ...config, sweepMs: SWEEP_MS, ...ports }),
    origin: "folder",
  }),
  command: (config, { workingFolder }, ports) => ({
    source: commandSource({ config, workingFolder, ...ports }),
    // Whoever wrote the label into the configuration.
    origin: "person",
  }),
  mqtt: (config, _, ports) => ({ source: mqttSource({ config, ...ports }), origin: "mqtt" }),
};

/** @throws BAD_CONFIG, UNKNOWN_CLASS */
export function openSources(station: StationConfig, ports: SourcePorts): OpenSource[] {
  const { watch, sources } = station;
  const watched: SourceConfig[] = watch === undefined ? [] : [{ kind: "folder", name: "folder", ...watch }];
  return [...watched, ...sources].map((config) => open(config, station, ports));
}

/** With the kind as a parameter, so that a row and its configuration are known to belong together. */
const open = <K extends Kind>(config: ConfigOf<K>, station: StationConfig, ports: SourcePorts): OpenSource =>
  KINDS[config.kind](config, station, ports);

export const senseOf = (p: FullPreprocessing): Sense =>
  p.kind === "image"
    ? { kind: "pictures" }
    : { kind: "sound", windowSamples: p.windowSamples, sampleRateHz: p.sampleRateHz };
