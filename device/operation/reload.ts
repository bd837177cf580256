import { type Config, ONLY_STATION, type StationConfig, stationKeys } from "../config/schema.ts";

/**
 * Keys that hold from the moment a configuration is read again; everything below a key goes with it. Whatever is not here opens
 * something (a model, a folder, a port, a connection) and needs a restart.
 */
const LIVE = {
  board: ["log.level", "governor", "metrics"],
  model: [
    "gate",
    "samples.maxBytes",
    "training.method",
    "training.minNewSamples",
    "training.settleSeconds",
    "training.retrySeconds",
    "training.align",
    "training.epochs",
    "training.seed",
    "training.threads",
  ],
} as const;

export interface Reload {
  /** What holds from now on: the old configuration with the live keys of the new one. */
  readonly config: Config;
  /** Keys, as in the file, that hold at once … */
  readonly applied: readonly string[];
  /** … and that wait for a restart. */
  readonly waiting: readonly string[];
}

/** Pure: what a changed configuration changes in a daemon that runs. */
export function reload(old: Config, next: Config): Reload {
  const applied: string[] = [];
  const waiting: string[] = [];

  /** @param name the key, as `live` lists it  @param shown as it stands in the file */
  function merge(was: unknown, now: unknown, name: string, prefix: string, live: readonly string[]): unknown {
    if (isSame(was, now)) return was;
    const isLive = live.some((key) => name === key || name.startsWith(`${key}.`));
    if (isRecord(was) && isRecord(now)) {
      const keys = [...new Set([...Object.keys(was), ...Object.keys(now)])];
      const merged = keys.map((key) => [key, merge(was[key], now[key], joined(name, key), prefix, live)] as const);
      return Object.fromEntries(merged.filter(([, value]) => value !== undefined));
    }
    (isLive ? applied : waiting).push(joined(prefix, name));
    return isLive ? now : was;
  }

  const { stations: oldStations, ...oldBoard } = old;
  const { stations: nextStations, ...nextBoard } = next;
  const board = merge(oldBoard, nextBoard, "", "", LIVE.board) as typeof oldBoard;
  const stations = oldStations.map((was) => {
    const now = nextStations.find(({ name }) => name === was.name);
    const prefix = prefixOf(was, old);
    if (now !== undefined) {
      return { ...was, ...(merge(stationKeys(was), stationKeys(now), "", prefix, LIVE.model) as StationConfig) };
    }
    waiting.push(prefix || "model");
    return was;
  });
  for (const station of nextStations) {
    if (!oldStations.some(({ name }) => name === station.name)) waiting.push(prefixOf(station, next) || "model");
  }
  return { config: { ...board, stations }, applied: sorted(applied), waiting: sorted(waiting) };
}

/** A key of the board that is handed on to its model is one key in the file. */
const sorted = (keys: readonly string[]): string[] => [...new Set(keys)].sort();

/** In a file with one model its keys stand beside those of the board. */
const prefixOf = ({ name }: StationConfig, { stations }: Config): string =>
  stations.length === 1 && name === ONLY_STATION ? "" : `models.${name}`;

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(".");

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Values come from YAML by one schema: what is equal is written alike. */
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
