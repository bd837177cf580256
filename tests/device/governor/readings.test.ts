import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { createClockTrust } from "../../../device/governor/clock-trust.ts";
import { createReadings, parseLoad, parsePressure } from "../../../device/governor/readings.ts";
import { nodeSystem, parseNumber } from "../../../device/governor/system.ts";
import { parseThrottled } from "../../../device/governor/throttling.ts";
import { BATTERY_BOARD, NO_BOARD, RASPBERRY_PI, type Tree, treeSystem, withFiles, writeTree } from "./systems.ts";

const MiB = 2 ** 20;
const read = (tree: Tree) =>
  createReadings(
    treeSystem(() => tree),
    () => 0,
    4,
  ).read();

const unknown = {
  temperature: null,
  throttling: null,
  pressure: { cpu: null, memory: null, io: null },
  load: null,
  cores: 4,
  availableBytes: null,
  mains: null,
  batteryPercent: null,
};

test("a Raspberry Pi tells all but its supply", async () => {
  expect(await read(RASPBERRY_PI)).toEqual({
    temperature: 62.322,
    throttling: { underVoltage: false, slowed: true },
    pressure: { cpu: 12.5, memory: 0, io: 3.75 },
    load: 1.28,
    cores: 4,
    // Of 400 MiB, 200 are in use, of which 80 are idle pages of files.
    availableBytes: 280 * MiB,
    mains: null,
    batteryPercent: null,
  });
});

test("a board that tells nothing is unknown, not an error", async () => {
  expect(await read(NO_BOARD)).toEqual(unknown);
});

describe("the temperature", () => {
  const zones = (...told: [type: string, temp: string][]) =>
    read({
      files: Object.fromEntries(
        told.flatMap(([type, temp], zone) => [
          [`sys/class/thermal/thermal_zone${zone}/type`, type],
          [`sys/class/thermal/thermal_zone${zone}/temp`, temp],
        ]),
      ),
    }).then(({ temperature }) => temperature);

  it("is the processor's, whatever a radio or a battery comes to", async () => {
    expect(await zones(["iwlwifi_1", "91000\n"], ["x86_pkg_temp", "48000\n"], ["soc-thermal", "51500\n"])).toBe(51.5);
  });

  it("is the hottest there is where no zone is the processor's by name", async () => {
    expect(await zones(["acpitz", "27800\n"], ["pch", "40000\n"])).toBe(40);
  });

  it("is not that of a sensor that is off", async () => {
    expect(await zones(["cpu-thermal", "-273000\n"])).toBeNull();
    expect(await zones(["cpu0-thermal", "-273000\n"], ["cpu1-thermal", "39000\n"])).toBe(39);
  });
});

describe("throttling", () => {
  it.each([
    ["throttled=0x0", { underVoltage: false, slowed: false }],
    ["throttled=0x50005\n", { underVoltage: true, slowed: true }],
    ["throttled=0x50000", { underVoltage: false, slowed: false }],
    ["throttled=0x2", { underVoltage: false, slowed: true }],
    // The soft limit of temperature is the governor's own bound.
    ["throttled=0x8", { underVoltage: false, slowed: false }],
    ["VCHI initialization failed", null],
  ])("%s", (text, wanted) => {
    expect(parseThrottled(text)).toEqual(wanted);
  });

  it("asks the firmware at most every half minute, and hardly ever where there is none", async () => {
    let nowMs = 0;
    const pi = treeSystem(() => RASPBERRY_PI);
    const other = treeSystem(() => NO_BOARD);
    const readings = [createReadings(pi, () => nowMs, 4), createReadings(other, () => nowMs, 4)];
    for (; nowMs < 600_000; nowMs += 5000) for (const one of readings) await one.read();
    expect(pi.asked).toHaveLength(20);
    expect(other.asked).toHaveLength(1);
  });

  it("is told by the kernel, too, where the firmware is silent", async () => {
    const silent = { files: RASPBERRY_PI.files };
    expect((await read(silent)).throttling).toEqual({ underVoltage: false, slowed: false });
    const slowed = withFiles(silent, { "sys/class/thermal/cooling_device0/cur_state": "2\n" });
    expect((await read(slowed)).throttling).toEqual({ underVoltage: false, slowed: true });
    const weak = withFiles(silent, { "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n" });
    expect((await read(weak)).throttling).toEqual({ underVoltage: true, slowed: false });
  });

  it("is not read off a fan", async () => {
    const fan = {
      "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
      "sys/class/thermal/cooling_device0/cur_state": "3\n",
    };
    expect((await read({ files: fan })).throttling).toBeNull();
  });
});

describe("memory", () => {
  const available = (files: Tree["files"]) =>
    read(withFiles(RASPBERRY_PI, files)).then((facts) => facts.availableBytes);
  const own = "sys/fs/cgroup/system.slice/lichend.service";

  it("is what the board has where no group bounds it", async () => {
    expect(await available({ [`${own}/memory.max`]: "max\n" })).toBe(3_012_940 * 1024);
  });

  it("is bound by the groups around the daemon's, too", async () => {
    expect(await available({ "sys/fs/cgroup/system.slice/memory.max": `${600 * MiB}\n` })).toBe(100 * MiB);
  });

  it("is bound by what the group is slowed down at", async () => {
    expect(await available({ [`${own}/memory.high`]: `${300 * MiB}\n` })).toBe(180 * MiB);
  });

  it("is never below nothing", async () => {
    expect(await available({ [`${own}/memory.current`]: `${900 * MiB}\n` })).toBe(0);
  });
});

describe("the supply", () => {
  const power = async (files: Tree["files"] = {}) => {
    const { mains, batteryPercent } = await read(withFiles(BATTERY_BOARD, files));
    return { mains, batteryPercent };
  };
  const status = "sys/class/power_supply/BAT0/status";

  it("is the battery while nothing charges; a mouse's does not count", async () => {
    expect(await power()).toEqual({ mains: false, batteryPercent: 57 });
  });

  it("is mains while a charger is on", async () => {
    expect(await power({ "sys/class/power_supply/AC/online": "1\n" })).toEqual({ mains: true, batteryPercent: 57 });
  });

  it("is told by a battery that is being charged", async () => {
    expect((await power({ "sys/class/power_supply/AC/type": "", [status]: "Charging\n" })).mains).toBe(true);
    expect((await power({ "sys/class/power_supply/AC/type": "", [status]: "Unknown\n" })).mains).toBeNull();
  });

  it("has no charge where the battery tells nonsense", async () => {
    expect((await power({ "sys/class/power_supply/BAT0/capacity": "130\n" })).batteryPercent).toBeNull();
  });
});

describe("on a real disk", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "lichen-board-"));
    await writeTree(root, withFiles(RASPBERRY_PI, BATTERY_BOARD.files));
  });
  afterAll(() => rm(root, { recursive: true }));

  it("reads the same as in memory", async () => {
    const found = await createReadings({ ...nodeSystem(root), run: async () => null }, () => 0, 4).read();
    const wanted = withFiles(RASPBERRY_PI, BATTERY_BOARD.files);
    expect(found).toEqual(await read({ files: wanted.files }));
    expect(found.mains).toBe(false);
  });

  it("gets nothing from a folder, a missing file, or a command that fails, is missing, or never ends", async () => {
    const system = nodeSystem(root);
    expect(await system.read("proc")).toBeNull();
    expect(await system.read("proc/none")).toBeNull();
    expect(await system.list("proc/loadavg")).toEqual([]);
    expect(await system.run("no-such-command-of-lichen", [])).toBeNull();
    expect(await system.run(process.execPath, ["-e", "process.exit(3)"])).toBeNull();
    expect(await system.run(process.execPath, ["-e", "console.log('told')"])).toBe("told\n");
    expect(await system.run(process.execPath, ["-e", "setInterval(() => {}, 1000)"])).toBeNull();
  });

  it.skipIf(process.platform !== "linux")("knows load and memory of the machine that runs this", async () => {
    const { load, availableBytes } = await createReadings(nodeSystem(), () => 0).read();
    expect(load).toBeGreaterThanOrEqual(0);
    expect(availableBytes).toBeGreaterThan(MiB);
  });
});

// Whatever a driver writes.

const odd = fc.oneof(
  fc.string(),
  fc.constantFrom(
    "",
    "\n",
    "max\n",
    "-1\n",
    "NaN\n",
    "1e999\n",
    `${"9".repeat(400)}\n`,
    "0x10\n",
    "some avg10=",
    "0::/../..",
  ),
  fc.integer().map((value) => `${value}\n`),
  fc.double().map((value) => `some avg10=${value}`),
);

test("whatever the files hold, every reading is unknown or makes sense", async () => {
  const paths = Object.keys({ ...RASPBERRY_PI.files, ...BATTERY_BOARD.files });
  const files = fc.dictionary(fc.constantFrom(...paths), odd, { minKeys: 1 });
  await fc.assert(
    fc.asyncProperty(files, odd, async (changed, throttled) => {
      const tree = withFiles(withFiles(RASPBERRY_PI, BATTERY_BOARD.files), changed);
      const found = await read({ ...tree, commands: { "vcgencmd get_throttled": throttled } });
      expect(within(found.temperature, -60, 200)).toBe(true);
      for (const one of Object.values(found.pressure)) expect(within(one, 0, 100)).toBe(true);
      expect(within(found.load, 0, Number.MAX_VALUE)).toBe(true);
      expect(within(found.availableBytes, 0, Number.MAX_VALUE)).toBe(true);
      expect(within(found.batteryPercent, 0, 100)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

const within = (value: number | null, least: number, most: number): boolean =>
  value === null || (value >= least && value <= most);

test("numbers are read back as they were written", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 99 }), (whole, part) => {
      const text = `${whole}.${`${part}`.padStart(2, "0")}`;
      expect(parseNumber(`${text}\n`)).toBe(Number(text));
      expect(parseLoad(`${text} 0.00 0.00 1/1 1\n`)).toBe(Number(text));
      expect(parsePressure(`some avg10=${text} avg60=1.00`)).toBe(Number(text) <= 100 ? Number(text) : null);
    }),
  );
});

describe("the clock is believed", () => {
  const wallMs = Date.UTC(2027, 5, 1);
  const rtc = (epochMs: number) => ({ "sys/class/rtc/rtc0/since_epoch": `${epochMs / 1000}\n` });
  const trust = (tree: Tree, at = wallMs) =>
    createClockTrust(
      treeSystem(() => tree),
      () => 0,
    )(at);

  it("when NTP has set it", async () => {
    expect(await trust({ files: { "run/systemd/timesync/synchronized": "" } })).toBe(true);
    const chrony = { "timedatectl show --property=NTPSynchronized --value": "yes\n" };
    expect(await trust({ files: {}, commands: chrony })).toBe(true);
  });

  it("when a battery has kept it", async () => {
    expect(await trust({ files: rtc(wallMs + 5000) })).toBe(true);
  });

  it("not else, nor when it says that this program is not written yet", async () => {
    expect(await trust(NO_BOARD)).toBe(false);
    expect(await trust({ files: rtc(0) })).toBe(false);
    expect(await trust({ files: rtc(0) }, 0)).toBe(false);
    expect(await trust({ files: { "run/systemd/timesync/synchronized": "" } }, 0)).toBe(false);
  });

  it("from then on without a question, before that with few", async () => {
    let nowMs = 0;
    let tree = NO_BOARD;
    const system = treeSystem(() => tree);
    const isTrusted = createClockTrust(system, () => nowMs);
    for (; nowMs < 1_200_000; nowMs += 5000) expect(await isTrusted(wallMs)).toBe(false);
    expect(system.asked).toHaveLength(2);
    tree = { files: { "run/systemd/timesync/synchronized": "" } };
    expect(await isTrusted(wallMs)).toBe(true);
    tree = NO_BOARD;
    expect(await isTrusted(wallMs)).toBe(true);
    expect(system.asked).toHaveLength(2);
  });
});
