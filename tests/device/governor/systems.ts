import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { System } from "../../../device/governor/system.ts";

/** A board as files and the answers of commands. */
export interface Tree {
  readonly files: Readonly<Record<string, string>>;
  /** By command line. */
  readonly commands?: Readonly<Record<string, string>>;
}

/** A board in memory; `asked` are the command lines that were run. */
export function treeSystem(tree: () => Tree): System & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    read: async (path) => tree().files[path] ?? null,
    list: async (folder) => {
      const below = Object.keys(tree().files).filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(below.map((path) => path.slice(folder.length + 1).split("/")[0]!))];
    },
    run: async (command, args) => {
      const line = [command, ...args].join(" ");
      asked.push(line);
      return tree().commands?.[line] ?? null;
    },
  };
}

export async function writeTree(root: string, { files }: Tree): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

const psi = (avg10: string) =>
  `some avg10=${avg10} avg60=0.00 avg300=0.00 total=1\nfull avg10=9.99 avg60=0.00 avg300=0.00 total=0\n`;

export const RASPBERRY_PI: Tree = {
  files: {
    "proc/loadavg": "1.28 0.97 0.60 2/181 4711\n",
    "proc/meminfo": "MemTotal:        3884456 kB\nMemFree:          110392 kB\nMemAvailable:    3012940 kB\n",
    "proc/pressure/cpu": psi("12.50"),
    "proc/pressure/memory": psi("0.00"),
    "proc/pressure/io": psi("3.75"),
    "proc/self/cgroup": "0::/system.slice/lichend.service\n",
    "sys/fs/cgroup/system.slice/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/memory.current": "524288000\n",
    "sys/fs/cgroup/system.slice/lichend.service/memory.max": "419430400\n",
    "sys/fs/cgroup/system.slice/lichend.service/memory.current": "209715200\n",
    "sys/fs/cgroup/system.slice/lichend.service/memory.stat":
      "anon 104857600\ninactive_file 83886080\nactive_file 20971520\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "62322\n",
    "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
    "sys/class/thermal/cooling_device0/cur_state": "0\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
  },
  commands: { "vcgencmd get_throttled": "throttled=0x50004\n" },
};

/** A charger, a battery of its own, and a mouse's. */
export const BATTERY_BOARD: Tree = {
  files: {
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/status": "Discharging\n",
    "sys/class/power_supply/BAT0/capacity": "57\n",
    "sys/class/power_supply/mouse/type": "Battery\n",
    "sys/class/power_supply/mouse/scope": "Device\n",
    "sys/class/power_supply/mouse/capacity": "3\n",
    "sys/class/power_supply/mouse/status": "Discharging\n",
  },
};

export const NO_BOARD: Tree = { files: {} };

/** The same board with other files. */
export const withFiles = (tree: Tree, files: Tree["files"]): Tree => ({ ...tree, files: { ...tree.files, ...files } });
