import type { BoardFacts, Reading } from "./facts.ts";
import { readNumber, readWord, type System } from "./system.ts";

const SUPPLIES = "sys/class/power_supply";

interface Supply {
  readonly type: string | null;
  readonly online: Reading<number>;
  readonly capacity: Reading<number>;
  readonly status: string | null;
  readonly scope: string | null;
}

/** @see Linux, sysfs-class-power */
export async function readPower(system: System): Promise<Pick<BoardFacts, "mains" | "batteryPercent">> {
  const names = await system.list(SUPPLIES);
  const supplies = await Promise.all(names.map((name) => readSupply(system, `${SUPPLIES}/${name}`)));
  // The battery of a mouse or a headset says nothing about the board.
  const ofBoard = supplies.filter(({ scope }) => scope !== "Device");
  const batteries = ofBoard.filter(({ type }) => type === "Battery" || type === "UPS");
  const chargers = ofBoard.filter(({ type }) => type !== null && /^(Mains|USB|Wireless)/.test(type));
  return { mains: mains(batteries, chargers), batteryPercent: charge(batteries) };
}

async function readSupply(system: System, folder: string): Promise<Supply> {
  const [type, online, capacity, status, scope] = await Promise.all([
    readWord(system, `${folder}/type`),
    readNumber(system, `${folder}/online`),
    readNumber(system, `${folder}/capacity`),
    readWord(system, `${folder}/status`),
    readWord(system, `${folder}/scope`),
  ]);
  return { type, online, capacity, status, scope };
}

function mains(batteries: readonly Supply[], chargers: readonly Supply[]): Reading<boolean> {
  if (chargers.some(({ online }) => online !== null && online > 0)) return true;
  // Without a battery the board has some supply that nobody measures.
  if (batteries.length === 0) return null;
  if (batteries.some(({ status }) => status === "Discharging")) return false;
  if (batteries.some(({ status }) => status === "Charging" || status === "Full")) return true;
  return chargers.some(({ online }) => online === 0) ? false : null;
}

function charge(batteries: readonly Supply[]): Reading<number> {
  const told = batteries.flatMap(({ capacity }) =>
    capacity !== null && capacity >= 0 && capacity <= 100 ? [capacity] : [],
  );
  return told.length === 0 ? null : told.reduce((sum, percent) => sum + percent, 0) / told.length;
}
