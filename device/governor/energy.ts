import type { Reading } from "./facts.ts";
import { parseNumber, readNumber, readWord, type System } from "./system.ts";

/**
 * `rapl`: the processor's own counter. `sensor`: a power sensor of the board. Both count the whole of what they measure, whoever used
 * it. `estimate`: CPU seconds times watts from the configuration, the round's own.
 */
export type EnergySource = "rapl" | "sensor" | "estimate";

export interface EnergyMeter {
  /** Reads what there is; called at both ends of a stretch and often between them. */
  sample(): Promise<void>;
  /** The next sample begins a new stretch: what is used until then does not count. */
  interrupt(): void;
  /** Null: nothing on this board measures it. */
  measured(): { readonly joules: number; readonly source: "rapl" | "sensor" } | null;
}

export function createEnergyMeter(system: System, nowMs: () => number): EnergyMeter {
  const rapl = createMeter(() => readCounters(system), countersBetween);
  const readWatts = createWattsReader(system);
  const sensor = createMeter(async () => {
    const watts = await readWatts();
    return watts === null ? null : { watts, atMs: nowMs() };
  }, wattsBetween);
  return {
    async sample() {
      // Counters miss nothing between two looks; a sensor does, so it is second choice.
      if (!(await rapl.sample())) await sensor.sample();
    },
    interrupt() {
      rapl.interrupt();
      sensor.interrupt();
    },
    measured() {
      const joules = rapl.joules() ?? sensor.joules();
      return joules === null ? null : { joules, source: rapl.joules() === null ? "sensor" : "rapl" };
    },
  };
}

/** Adds up what lies between one reading and the next. */
function createMeter<R>(read: () => Promise<Reading<R>>, between: (before: R, after: R) => number) {
  let before: Reading<R> = null;
  let total: number | null = null;
  return {
    /** Whether there was anything to read. */
    async sample(): Promise<boolean> {
      const now = await read();
      if (now === null) return false;
      if (before !== null) total = (total ?? 0) + between(before, now);
      before = now;
      return true;
    },
    interrupt() {
      before = null;
    },
    joules: () => total,
  };
}

export interface Counter {
  readonly name: string;
  readonly microjoules: number;
  /** Where it starts again from zero. */
  readonly range: number;
}

/** @returns joules; a counter that is smaller than before has wrapped around, once, or is another one that began anew */
export const countersBetween = (before: readonly Counter[], after: readonly Counter[]): number =>
  after.reduce((sum, { name, microjoules, range }) => {
    const was = before.find((counter) => counter.name === name)?.microjoules;
    if (was === undefined) return sum;
    const start = microjoules >= was ? was : was <= range ? was - range : 0;
    return sum + (microjoules - start) / 1e6;
  }, 0);

export interface Power {
  readonly watts: number;
  readonly atMs: number;
}

/** @returns joules, as if power had changed evenly between the two */
export const wattsBetween = (before: Power, after: Power): number =>
  (((before.watts + after.watts) / 2) * Math.max(0, after.atMs - before.atMs)) / 1000;

const POWERCAP = "sys/class/powercap";

/** One counter a socket, also on processors of AMD; usually only root may read them.  @see Linux, power/powercap */
export async function readCounters(system: System): Promise<Reading<readonly Counter[]>> {
  const names = (await system.list(POWERCAP)).filter((name) => /^intel-rapl:\d+$/.test(name));
  const counters = await Promise.all(
    names.map(async (name): Promise<Counter[]> => {
      const folder = `${POWERCAP}/${name}`;
      // `psys` beside the sockets counts them once more.
      if (!((await readWord(system, `${folder}/name`)) ?? "").startsWith("package")) return [];
      const microjoules = await readNumber(system, `${folder}/energy_uj`);
      const range = await readNumber(system, `${folder}/max_energy_range_uj`);
      if (microjoules === null || range === null || microjoules < 0 || range < microjoules) return [];
      return [{ name, microjoules, range }];
    }),
  );
  return counters.flat().length === 0 ? null : counters.flat();
}

/** What a sensor of the board tells: one of the INA family in hwmon, or the power chip of a Raspberry Pi 5. */
export function createWattsReader(system: System): () => Promise<Reading<number>> {
  let hasRails = true;
  return async () => {
    const names = await system.list(HWMON);
    const sensors = await Promise.all(names.map((name) => readSensor(system, `${HWMON}/${name}`)));
    const told = sensors.find((watts) => watts !== null) ?? null;
    if (told !== null || !hasRails) return told;
    const watts = parseRails(await system.run("vcgencmd", ["pmic_read_adc"]));
    // A program is not started over and over for nothing.
    hasRails = watts !== null;
    return watts;
  };
}

const HWMON = "sys/class/hwmon";

/** Current in mA, voltage in mV, power in µW. Channel 1 is the supply of the board wherever there are several.  @see Linux, hwmon/sysfs-interface */
async function readSensor(system: System, folder: string): Promise<Reading<number>> {
  // Graphics cards and disks have such files, too, and are not the board.
  if (!/^ina\d/.test((await readWord(system, `${folder}/name`)) ?? "")) return null;
  const [power, current, voltage] = await Promise.all(
    ["power1_input", "curr1_input", "in1_input"].map((file) => readNumber(system, `${folder}/${file}`)),
  );
  const watts = power != null ? power / 1e6 : ((current ?? Number.NaN) * (voltage ?? Number.NaN)) / 1e6;
  return Number.isFinite(watts) && watts >= 0 ? watts : null;
}

/** ` VDD_CORE_A current(7)=1.234A` and ` VDD_CORE_V volt(15)=0.876V`: rails with both, added up; losses before them are not seen. */
export function parseRails(text: string | null): Reading<number> {
  const rails = new Map<string, { A?: number; V?: number }>();
  for (const [, rail, unit, value] of (text ?? "").matchAll(/^\s*(\w+)_([AV])\b[^=\n]*=([\d.]+)[AV]\s*$/gm)) {
    const amount = parseNumber(value ?? null);
    if (amount !== null) rails.set(rail!, { ...rails.get(rail!), [unit!]: amount });
  }
  const watts = [...rails.values()].flatMap(({ A, V }) => (A === undefined || V === undefined ? [] : [A * V]));
  return watts.length === 0 ? null : watts.reduce((sum, one) => sum + one, 0);
}
