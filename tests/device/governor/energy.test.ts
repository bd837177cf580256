import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  type Counter,
  countersBetween,
  createEnergyMeter,
  createWattsReader,
  parseRails,
  readCounters,
  wattsBetween,
} from "../../../device/governor/energy.ts";
import { NO_BOARD, type Tree, treeSystem } from "./systems.ts";

const RANGE = 262_143_328_850;

const rapl = (microjoules: number, socket = 0, name = `package-${socket}`): Tree["files"] => ({
  [`sys/class/powercap/intel-rapl:${socket}/name`]: `${name}\n`,
  [`sys/class/powercap/intel-rapl:${socket}/energy_uj`]: `${microjoules}\n`,
  [`sys/class/powercap/intel-rapl:${socket}/max_energy_range_uj`]: `${RANGE}\n`,
});

const ina = (files: Record<string, string>, name = "ina219"): Tree["files"] =>
  Object.fromEntries(
    Object.entries({ name, ...files }).map(([file, text]) => [`sys/class/hwmon/hwmon2/${file}`, `${text}\n`]),
  );

/** A board whose files change, read by one meter. */
function metered() {
  let tree: Tree = NO_BOARD;
  let nowMs = 0;
  const system = treeSystem(() => tree);
  const meter = createEnergyMeter(system, () => nowMs);
  return {
    meter,
    system,
    async at(ms: number, files: Tree["files"], commands: Tree["commands"] = {}) {
      tree = { files, commands };
      nowMs = ms;
      await meter.sample();
    },
  };
}

describe("the processor's counters", () => {
  it("add up over sockets, without the parts of a socket and what holds them all", async () => {
    const { meter, at } = metered();
    const parts = {
      "sys/class/powercap/intel-rapl:0:0/name": "core\n",
      "sys/class/powercap/intel-rapl:0:0/energy_uj": "7\n",
    };
    await at(0, { ...rapl(1_000_000), ...rapl(2_000_000, 1), ...rapl(0, 2, "psys"), ...parts });
    await at(1000, { ...rapl(4_000_000), ...rapl(2_500_000, 1), ...rapl(9_000_000, 2, "psys"), ...parts });
    expect(meter.measured()).toEqual({ joules: 3.5, source: "rapl" });
  });

  it("wrap around", async () => {
    const { meter, at } = metered();
    await at(0, rapl(RANGE - 2_000_000));
    await at(1000, rapl(1_500_000));
    expect(meter.measured()).toEqual({ joules: 3.5, source: "rapl" });
  });

  it("make up, with the next look, for one that failed", async () => {
    const { meter, at } = metered();
    await at(0, rapl(0));
    await at(1000, {});
    await at(2000, rapl(6_000_000));
    expect(meter.measured()).toEqual({ joules: 6, source: "rapl" });
  });

  it("do not count while the round is paused", async () => {
    const { meter, at } = metered();
    await at(0, rapl(0));
    await at(1000, rapl(1_000_000));
    meter.interrupt();
    await at(100_000, rapl(50_000_000));
    await at(101_000, rapl(52_000_000));
    expect(meter.measured()?.joules).toBe(3);
  });

  it("that only root may read are none", async () => {
    const { "sys/class/powercap/intel-rapl:0/energy_uj": _, ...locked } = rapl(0);
    expect(await readCounters(treeSystem(() => ({ files: locked })))).toBeNull();
  });
});

test("however a counter runs and wraps, what lies between its readings is what was used", () => {
  const steps = fc.array(fc.nat(RANGE - 1), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.nat(RANGE - 1), steps, (start, used) => {
      const reading = (total: number): Counter[] => [{ name: "0", microjoules: total % RANGE, range: RANGE }];
      let total = start;
      let joules = 0;
      for (const step of used) {
        joules += countersBetween(reading(total), reading(total + step));
        total += step;
      }
      expect(joules).toBeCloseTo((total - start) / 1e6, 3);
    }),
  );
});

describe("a sensor's power", () => {
  it("is integrated between looks", async () => {
    const { meter, at } = metered();
    await at(0, ina({ power1_input: "4000000" }));
    await at(2000, ina({ power1_input: "6000000" }));
    await at(3000, ina({ power1_input: "6000000" }));
    expect(meter.measured()).toEqual({ joules: 16, source: "sensor" });
  });

  it("is nothing yet after a single look", async () => {
    const { meter, at } = metered();
    await at(0, ina({ power1_input: "4000000" }));
    expect(meter.measured()).toBeNull();
  });

  it.each([
    ["microwatts", ina({ power1_input: "5250000", curr1_input: "1", in1_input: "1" }), 5.25],
    ["milliamperes times millivolts", ina({ curr1_input: "1050", in1_input: "5000" }, "ina3221"), 5.25],
    ["not that of a graphics card", ina({ power1_input: "75000000" }, "amdgpu"), null],
    ["unknown where half of it is missing", ina({ curr1_input: "1050" }), null],
    ["unknown where current flows backwards", ina({ curr1_input: "-1050", in1_input: "5000" }), null],
  ])("is %s", async (_, files, watts) => {
    expect(await createWattsReader(treeSystem(() => ({ files })))()).toBe(watts);
  });

  it("is the sum of the rails of a Raspberry Pi 5, which a board without is asked for once", async () => {
    const told =
      "   3V3_SYS_A current(1)=0.50000000A\n VDD_CORE_A current(7)=2.00000000A\n" +
      " 3V3_SYS_V volt(9)=3.30000000V\n VDD_CORE_V volt(15)=0.75000000V\n EXT5V_V volt(24)=5.14000000V\n";
    expect(parseRails(told)).toBeCloseTo(3.15, 9);
    const { at, system } = metered();
    for (let look = 0; look < 5; look++) await at(look, {});
    expect(system.asked).toEqual(["vcgencmd pmic_read_adc"]);
  });
});

test("power that changes evenly is integrated exactly, however often it is looked at", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 9999 }), { maxLength: 30 }), (between) => {
      const looks = [0, ...between.sort((one, other) => one - other), 10_000].map((atMs) => ({
        atMs,
        watts: 2 + atMs / 1000,
      }));
      const joules = looks.slice(1).reduce((sum, look, before) => sum + wattsBetween(looks[before]!, look), 0);
      expect(joules).toBeCloseTo(70, 6);
    }),
  );
});

test("a counter that comes back smaller and with a smaller range has begun anew", () => {
  const counter = (microjoules: number, range: number) => [{ name: "intel-rapl:0", microjoules, range }];
  expect(countersBetween(counter(3e6, 1e9), counter(1e6, 2e6))).toBe(1);
  expect(countersBetween(counter(9e6, 10e6), counter(1e6, 10e6))).toBe(2);
});

test("whatever counters and sensors tell, energy is unknown or not negative", async () => {
  const odd = fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom("package-0", "ina219", "-0", "1e9"));
  const files = fc.dictionary(
    fc.constantFrom(...Object.keys({ ...rapl(0), ...ina({ power1_input: "", curr1_input: "", in1_input: "" }) })),
    odd,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(files, fc.string()), { maxLength: 6 }), async (looks) => {
      const { meter, at } = metered();
      for (const [look, [changed, rails]] of looks.entries()) {
        await at(
          look * 1000,
          { ...rapl(look), ...ina({ power1_input: "1" }), ...changed },
          { "vcgencmd pmic_read_adc": rails },
        );
      }
      const joules = meter.measured()?.joules ?? 0;
      expect(joules >= 0 && Number.isFinite(joules)).toBe(true);
    }),
  );
});
