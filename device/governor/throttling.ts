import type { Reading, Throttling } from "./facts.ts";
import { readNumber, readWord, type System } from "./system.ts";

/** Starting a program costs more than everything else that is read. */
const ASK_FIRMWARE_MS = 30_000;
const ASK_ABSENT_FIRMWARE_MS = 3_600_000;

/**
 * What a Raspberry Pi's firmware tells, and what any kernel tells of cooling by a slower clock and of its voltage monitor.
 * The firmware is asked at most every half minute.
 */
export function createThrottlingReader(system: System, nowMs: () => number): () => Promise<Reading<Throttling>> {
  let firmware: Reading<Throttling> = null;
  let askAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (nowMs() >= askAtMs) {
      askAtMs = nowMs() + ASK_FIRMWARE_MS;
      firmware = parseThrottled(await system.run("vcgencmd", ["get_throttled"]));
      if (firmware === null) askAtMs = nowMs() + ASK_ABSENT_FIRMWARE_MS;
    }
    const [slowed, underVoltage] = await Promise.all([readCooling(system), readVoltageAlarm(system)]);
    if (firmware === null && slowed === null && underVoltage === null) return null;
    return {
      underVoltage: (firmware?.underVoltage ?? false) || (underVoltage ?? false),
      slowed: (firmware?.slowed ?? false) || (slowed ?? false),
    };
  };
}

/** `throttled=0x50005`: bit 0 too little voltage, 1 clock capped, 2 throttled, all now; from bit 16 the same since the boot. */
export function parseThrottled(text: string | null): Reading<Throttling> {
  const hex = /^throttled=0x([0-9a-f]{1,8})\s*$/i.exec(text ?? "")?.[1];
  if (hex === undefined) return null;
  const bits = Number.parseInt(hex, 16);
  return { underVoltage: (bits & 1) !== 0, slowed: (bits & 6) !== 0 };
}

const THERMAL = "sys/class/thermal";

/** Whether a processor's clock is one of the things that cool it now.  @see Linux, sysfs-class-thermal, cooling_device */
async function readCooling(system: System): Promise<Reading<boolean>> {
  const names = (await system.list(THERMAL)).filter((name) => /^cooling_device\d+$/.test(name));
  const states = await Promise.all(
    names.map(async (name) => {
      const type = (await readWord(system, `${THERMAL}/${name}/type`)) ?? "";
      return /cpufreq|^processor/i.test(type) ? readNumber(system, `${THERMAL}/${name}/cur_state`) : null;
    }),
  );
  const told = states.filter((state) => state !== null);
  return told.length === 0 ? null : told.some((state) => state > 0);
}

const HWMON = "sys/class/hwmon";

/** @see Linux, hwmon/raspberrypi-hwmon */
async function readVoltageAlarm(system: System): Promise<Reading<boolean>> {
  const alarms = await Promise.all(
    (await system.list(HWMON)).map(async (name) =>
      (await readWord(system, `${HWMON}/${name}/name`)) === "rpi_volt"
        ? readNumber(system, `${HWMON}/${name}/in0_lcrit_alarm`)
        : null,
    ),
  );
  const told = alarms.filter((alarm) => alarm !== null);
  return told.length === 0 ? null : told.some((alarm) => alarm > 0);
}
