import { availableParallelism } from "node:os";
import type { BoardFacts, Reading } from "./facts.ts";
import { readAvailableBytes } from "./free-memory.ts";
import { readPower } from "./power-supply.ts";
import { parseNumber, readNumber, readWord, type System } from "./system.ts";
import { createThrottlingReader } from "./throttling.ts";

export interface Readings {
  /** The board as it is now. Never rejects; what is missing or makes no sense is null. */
  read(): Promise<BoardFacts>;
}

export function createReadings(system: System, nowMs: () => number, cores = availableParallelism()): Readings {
  const readThrottling = createThrottlingReader(system, nowMs);
  return {
    async read() {
      const [temperature, throttling, cpu, memory, io, load, availableBytes, power] = await Promise.all([
        readTemperature(system),
        readThrottling(),
        system.read("proc/pressure/cpu").then(parsePressure),
        system.read("proc/pressure/memory").then(parsePressure),
        system.read("proc/pressure/io").then(parsePressure),
        system.read("proc/loadavg").then(parseLoad),
        readAvailableBytes(system),
        readPower(system),
      ]);
      return { temperature, throttling, pressure: { cpu, memory, io }, load, cores, availableBytes, ...power };
    },
  };
}

const THERMAL = "sys/class/thermal";

/** The hottest zone of the processor; of a board that names none so, the hottest of all.  @see Linux, sysfs-class-thermal */
export async function readTemperature(system: System): Promise<Reading<number>> {
  const names = (await system.list(THERMAL)).filter((name) => /^thermal_zone\d+$/.test(name));
  const zones = await Promise.all(
    names.map(async (name) => ({
      type: (await readWord(system, `${THERMAL}/${name}/type`)) ?? "",
      celsius: plausible((await readNumber(system, `${THERMAL}/${name}/temp`)) ?? Number.NaN),
    })),
  );
  const told = zones.filter((zone) => zone.celsius !== null);
  const ofProcessor = told.filter(({ type }) => /cpu|soc|core|x86_pkg/i.test(type));
  const chosen = (ofProcessor.length > 0 ? ofProcessor : told).map((zone) => zone.celsius ?? 0);
  return chosen.length === 0 ? null : Math.max(...chosen);
}

/** A zone whose sensor is off tells absolute zero or nonsense. */
function plausible(millidegrees: number): Reading<number> {
  const celsius = millidegrees / 1000;
  return celsius >= -60 && celsius <= 200 ? celsius : null;
}

/** `some avg10=1.23 avg60=… avg300=… total=…` */
export function parsePressure(text: string | null): Reading<number> {
  const value = parseNumber(/^some avg10=(\S+)/m.exec(text ?? "")?.[1] ?? null);
  return value !== null && value >= 0 && value <= 100 ? value : null;
}

/** `0.20 0.18 0.12 1/80 11206`  @see proc(5) */
export function parseLoad(text: string | null): Reading<number> {
  const value = parseNumber((text ?? "").split(" ")[0] ?? null);
  return value !== null && value >= 0 ? value : null;
}
