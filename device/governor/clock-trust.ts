import { readNumber, type System } from "./system.ts";

/** No board can run this program before it was written. */
const WRITTEN_MS = Date.UTC(2026, 10, 1);
const AGREE_MS = 120_000;
const ASK_SYSTEMD_MS = 600_000;

/**
 * Whether the wall clock is to be believed: set by NTP since the boot, or the same as a battery-backed clock. Once it is believed, it
 * stays so until the next boot, unless it falls behind the day on which this was written.
 */
export function createClockTrust(system: System, nowMs: () => number): (wallMs: number) => Promise<boolean> {
  let trusted = false;
  let askAtMs = Number.NEGATIVE_INFINITY;

  /** Knows of chrony and ntpd, too, and is a program to be started. */
  async function askSystemd(): Promise<boolean> {
    if (nowMs() < askAtMs) return false;
    askAtMs = nowMs() + ASK_SYSTEMD_MS;
    const answer = await system.run("timedatectl", ["show", "--property=NTPSynchronized", "--value"]);
    return answer?.trim() === "yes";
  }

  return async (wallMs) => {
    if (wallMs < WRITTEN_MS) return false;
    trusted ||=
      (await system.read("run/systemd/timesync/synchronized")) !== null ||
      (await agreesWithBattery(system, wallMs)) ||
      (await askSystemd());
    return trusted;
  };
}

/** A clock chip without a battery begins in 1970 or 2000 and so does not agree, until NTP sets both. */
async function agreesWithBattery(system: System, wallMs: number): Promise<boolean> {
  const names = await system.list("sys/class/rtc");
  const epochs = await Promise.all(names.map((name) => readNumber(system, `sys/class/rtc/${name}/since_epoch`)));
  return epochs.some((epoch) => epoch !== null && Math.abs(epoch * 1000 - wallMs) < AGREE_MS);
}
