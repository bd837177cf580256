import { ENVIRONMENT, NODE_FLAGS } from "./node-flags.ts";

/** What a unit may reach beside its own folders: the devices that sources' commands record from, and the board's own throttling. */
export const DEVICES = {
  audio: { group: "audio", allow: ["char-alsa rw"] },
  video: { group: "video", allow: ["char-video4linux rw", "char-media rw", "char-dma_heap rw"] },
  /** `vcgencmd` of a Raspberry Pi. */
  throttling: { group: "video", allow: ["/dev/vcio rw"] },
} as const;

export type Device = keyof typeof DEVICES;

export interface UnitOptions {
  readonly node: string;
  /** `lichend.js` */
  readonly program: string;
  readonly config: string;
  readonly user: string;
  readonly devices: readonly Device[];
  /** Folders outside `/var/lib/lichen` that the configuration writes to. */
  readonly writable: readonly string[];
  /** Whether the program or the model lies in a home folder, which is hidden otherwise. */
  readonly readsHome: boolean;
  /** Of the board's memory, as systemd reads it: `75%`, `512M`. */
  readonly memoryHigh: string;
  readonly memoryMax: string;
}

/** What a service is given where nobody says otherwise. */
export const USUAL = { memoryHigh: "60%", memoryMax: "75%", devices: Object.keys(DEVICES) as Device[] } as const;

/** Folders that systemd makes for the unit: below /var/lib and /run. */
export const FOLDER = "lichen";
export const SERVICE = "lichend.service";

/** A unit of systemd 247 (Debian 11) or newer, with a comment wherever the reason is not in systemd.exec(5). */
export function unit(options: UnitOptions): string {
  return `${SECTIONS.map(([name, lines]) => `[${name}]\n${lines(options).join("\n")}\n`).join("\n")}`;
}

type Section = readonly [name: string, lines: (options: UnitOptions) => readonly string[]];

const SECTIONS: readonly Section[] = [
  [
    "Unit",
    () => [
      "Description=Lichen, which adapts a frozen model on this board",
      // Not network-online: a board works offline for ever, and waits for no clock.
      "After=local-fs.target",
      "# Nobody is near to start it once more, so it is never given up.",
      "StartLimitIntervalSec=0",
    ],
  ],
  [
    "Service",
    (options) => [
      ...running(options),
      "",
      ...resources(options),
      "",
      ...folders(options),
      "",
      ...deviceAccess(options),
      "",
      ...HARDENING,
    ],
  ],
  ["Install", () => ["WantedBy=multi-user.target"]],
];

const running = ({ node, program, config, user }: UnitOptions): string[] => [
  "Type=notify",
  "# Notices are sent by systemd-notify, a child.",
  "NotifyAccess=all",
  `ExecStart=${[node, ...NODE_FLAGS, program, "--config", config].map((word) => quoted(word.replaceAll("$", "$$$$"))).join(" ")}`,
  "ExecReload=/bin/kill -HUP $MAINPID",
  `User=${user}`,
  `Group=${user}`,
  "Environment=NODE_ENV=production",
  ...Object.entries(ENVIRONMENT).map(([name, value]) => `Environment=${name}=${value}`),
  "WatchdogSec=60",
  "TimeoutStartSec=180",
  "TimeoutStopSec=30",
  "Restart=always",
  "RestartSec=10",
  "# A configuration that is wrong is wrong the next time too.",
  "RestartPreventExitStatus=2",
];

const resources = ({ memoryHigh, memoryMax }: UnitOptions): string[] => [
  `MemoryHigh=${memoryHigh}`,
  `MemoryMax=${memoryMax}`,
  "# What the kernel ends for want of memory is the training process; inference goes on.",
  "OOMPolicy=continue",
  "# Training is started to come last.",
  "Nice=0",
  "TasksMax=256",
  "# A dump of a hundred megabytes would wear the card.",
  "LimitCORE=0",
];

const folders = ({ writable, readsHome }: UnitOptions): string[] => [
  `StateDirectory=${FOLDER}`,
  "StateDirectoryMode=0750",
  `RuntimeDirectory=${FOLDER}`,
  "RuntimeDirectoryMode=0750",
  `WorkingDirectory=/var/lib/${FOLDER}`,
  "UMask=0027",
  "ProtectSystem=strict",
  ...writable.map((folder) => `ReadWritePaths=${quoted(folder)}`),
  `ProtectHome=${readsHome ? "read-only" : "yes"}`,
  "PrivateTmp=yes",
];

function deviceAccess({ devices }: UnitOptions): string[] {
  if (devices.length === 0) return ["PrivateDevices=yes"];
  const groups = new Set(devices.map((device) => DEVICES[device].group));
  return [
    `SupplementaryGroups=${[...groups].join(" ")}`,
    "DevicePolicy=closed",
    ...devices.flatMap((device) => DEVICES[device].allow.map((rule) => `DeviceAllow=${rule}`)),
  ];
}

const HARDENING: readonly string[] = [
  "NoNewPrivileges=yes",
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "ProtectProc=invisible",
  "# The governor reads /proc/pressure, /proc/meminfo and /proc/loadavg.",
  "ProcSubset=all",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "LockPersonality=yes",
  "RemoveIPC=yes",
  "KeyringMode=private",
  "# V8 compiles what it runs.",
  "MemoryDenyWriteExecute=no",
  "SystemCallArchitectures=native",
  "# With @resources: ONNX Runtime pins its threads, and training is started to come last.",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @setuid",
  "SystemCallErrorNumber=EPERM",
];

/** As systemd splits words; `%` begins a specifier. In commands `$` begins a variable as well. @see systemd.syntax(7), systemd.service(5) */
function quoted(word: string): string {
  const escaped = word.replaceAll("%", "%%");
  return /^[\w./:@%$+,=-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
