import { bytes, duration, short } from "../terminal.ts";
import { type CertificateFacts, type DoctorFacts, type Found, isValue } from "./facts.ts";

export type Level = "ok" | "warning" | "problem";

export interface Finding {
  readonly check: CheckName;
  readonly level: Level;
  readonly found: string;
  /** What to do; absent where all is well. */
  readonly todo?: string;
}

/** Pure: every check's findings, in the order in which they are best read. */
export const judge = (facts: DoctorFacts, nowMs: number): Finding[] =>
  (Object.keys(CHECKS) as CheckName[]).flatMap((check) =>
    CHECKS[check](facts, nowMs).map(([level, found, todo]) => ({
      check,
      level,
      found,
      ...(todo !== undefined && { todo }),
    })),
  );

type Row = readonly [level: Level, found: string, todo?: string];
type Check = (facts: DoctorFacts, nowMs: number) => readonly Row[];

const GB = 1e9;
const MB = 1e6;
const DAY_MS = 86_400_000;
const HOUR = 3600;

/** The first day on which this could run; see also governor/clock-trust.ts. */
const WRITTEN_YEAR = 2026;

const CHECKS = {
  daemon({ daemon, config }) {
    if ("trouble" in daemon) {
      // Whoever names a file may well look before anything is started.
      const level = config.isNamed ? "warning" : "problem";
      return [[level, daemon.trouble.message, "systemctl start lichend, and see journalctl -u lichend"]];
    }
    const { version, uptimeSeconds, problems } = daemon.value;
    const told = problems.map(({ message }): Row => ["problem", message, "as it says; see also lichen logs"]);
    return [["ok", `lichend ${version}, up ${duration(uptimeSeconds)}`], ...told];
  },
  config: ({ config: { file, mistakes } }) =>
    file === null
      ? [["warning", "no configuration was found", "name it with --config"]]
      : mistakes.length === 0
        ? [["ok", `${file} is valid`]]
        : mistakes.map(
            ({ message }): Row => ["problem", message, "correct the file; lichen config keys explains every key"],
          ),
  clock({ board: { clock }, hasHours }, nowMs) {
    const found = `${clock.now.slice(0, 16).replace("T", " ")} UTC`;
    if (new Date(nowMs).getUTCFullYear() < WRITTEN_YEAR) {
      return [
        ["problem", `${found}: before this was written`, "set the clock: give the board NTP, or timedatectl set-time"],
      ];
    }
    if (clock.trusted) return [["ok", `${found}, set by NTP or kept by a battery`]];
    const todo = hasHours
      ? "give it NTP or a clock with a battery: training has its hours, and waits until the time is known"
      : "give it NTP or a clock with a battery; training goes on without, certificates may fail";
    return [["warning", `${found}, and nothing says that this is right`, todo]];
  },
  disk({ disk, board }) {
    if (disk === null) return [];
    const { freeBytes, totalBytes, writable } = board.disk;
    const rows: Row[] = [];
    if (!disk.exists)
      return [["warning", `${disk.folder} is not there yet`, "nothing: the daemon makes it at its start"]];
    if (disk.isReadOnly) {
      rows.push([
        "problem",
        `${disk.folder} is on a read-only file system`,
        "see dmesg: a card that fails goes read-only; fsck it, or replace it",
      ]);
    } else if (!writable) {
      rows.push([
        "problem",
        `${disk.folder} cannot be written`,
        "chown it to the daemon's user, or run doctor as that user",
      ]);
    }
    const doubt = FILE_SYSTEMS[disk.fileSystem ?? ""];
    if (doubt !== undefined) rows.push(["warning", `${disk.folder} is on ${disk.fileSystem}`, doubt]);
    if (disk.freeInodes !== null && disk.freeInodes < 1000) {
      rows.push([
        "problem",
        `only ${disk.freeInodes} more files fit (inodes)`,
        "remove small files, or make the file system anew with more inodes",
      ]);
    }
    if (freeBytes !== null && totalBytes !== null) {
      const found = `${bytes(freeBytes)} of ${bytes(totalBytes)} free`;
      const todo = "make room, or lower samples.maxBytes and training.cacheBytes";
      if (freeBytes < 100 * MB) rows.push(["problem", found, todo]);
      else if (freeBytes < 0.5 * GB) rows.push(["warning", found, todo]);
      else if (rows.length === 0)
        rows.push(["ok", `${found}, ${disk.fileSystem ?? "a file system without a name"}, writable`]);
    }
    return rows;
  },
  wear({ board: { process }, daemon, flash }) {
    const rows: Row[] = [];
    const { writtenBytes, uptimeSeconds } = process;
    if (isValue(daemon) && writtenBytes !== null) {
      const perHour = (writtenBytes / Math.max(uptimeSeconds, 1)) * HOUR;
      const found = `${bytes(Math.round(writtenBytes))} written in ${duration(uptimeSeconds)}`;
      // Of the first minutes, an hour says nothing: models are loaded, state is written.
      if (uptimeSeconds >= HOUR / 2 && perHour > 100 * MB) {
        rows.push([
          "warning",
          `${found}, ${bytes(Math.round(perHour))} an hour`,
          "send fewer samples, lower samples.maxBytes, or train less often (training.minNewSamples)",
        ]);
      } else rows.push(["ok", found]);
    }
    return [...rows, ...flash.map(wornOut)];
  },
  broker: ({ brokers }) =>
    brokers.map(({ address, uses, trouble, milliseconds }): Row => {
      const of = `${address} (${uses.join(", ")})`;
      if (trouble === null) return ["ok", `${of} answers in ${duration(milliseconds / 1000)}`];
      const todo =
        trouble.code === "BROKER_REFUSED"
          ? "check username, password and the broker's rules"
          : "check the address, the network, and whether the broker runs";
      return ["problem", `${of}: ${trouble.message}`, `${todo}; the board works on without it`];
    }),
  certificate: ({ brokers, board }, nowMs) =>
    brokers.flatMap(({ address, certificate }) =>
      certificate === null ? [] : [certified(address, certificate, board.clock.trusted, nowMs)],
    ),
  model: ({ models }) => models.flatMap(modelRows),
  memory({ board: { availableBytes, process }, daemon, wantedBytes }) {
    if (availableBytes === null) return [["warning", "the kernel does not tell how much is free", "mount /proc"]];
    const own = isValue(daemon) ? `; lichend takes ${bytes(process.residentBytes)}` : "";
    const found = `${bytes(availableBytes)} free${own}`;
    return wantedBytes !== null && availableBytes < wantedBytes
      ? [
          [
            "warning",
            `${found}, training wants ${bytes(wantedBytes)}`,
            "end other programs, add swap in RAM (zram), or lower governor.freeMemoryBytes",
          ],
        ]
      : [["ok", found]];
  },
  kernel: ({ board: { pressure } }) =>
    pressure.cpu === null && pressure.memory === null
      ? [
          [
            "warning",
            "no pressure stall information (PSI)",
            "add psi=1 to the kernel's command line; without it training sees load and memory only",
          ],
        ]
      : [["ok", "pressure stall information (PSI) is there"]],
  sensors({ board: { temperatureCelsius, throttling }, firmware }) {
    const rows: Row[] = [];
    if (temperatureCelsius === null) {
      rows.push([
        "warning",
        "no thermometer can be read",
        "let the daemon's user read /sys/class/thermal; without one, heat does not pause training",
      ]);
    } else rows.push(["ok", `${temperatureCelsius.toFixed(1)} °C`]);
    if (firmware.isThere && !firmware.answers) {
      rows.push([
        "warning",
        "the firmware's throttling cannot be read",
        "install vcgencmd, and add the daemon's user to the group video",
      ]);
    }
    if (throttling?.underVoltage)
      rows.push([
        "problem",
        "too little voltage",
        "use a stronger supply or a shorter cable: files may be damaged, too",
      ]);
    if (throttling?.slowed)
      rows.push(["warning", "the processor is slowed down", "cool the board, and check its power supply"]);
    return rows;
  },
} satisfies Record<string, Check>;

export type CheckName = keyof typeof CHECKS;

const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  tmpfs: "set data to a folder on a disk: this one is gone with the power",
  ramfs: "set data to a folder on a disk: this one is gone with the power",
  overlay: "see where its upper layer lies: in memory, everything is gone with the power",
  vfat: "set data to a folder on ext4 or f2fs: FAT loses files when the power is cut",
  exfat: "set data to a folder on ext4 or f2fs: exFAT loses files when the power is cut",
  nfs: "set data to a folder of the board: files over the network come and go",
  nfs4: "set data to a folder of the board: files over the network come and go",
};

function wornOut({ name, usedTenths, endOfLife }: DoctorFacts["flash"][number]): Row {
  const used =
    usedTenths === null
      ? "of unknown age"
      : usedTenths > 10
        ? "beyond its life"
        : `${(usedTenths - 1) * 10} to ${usedTenths * 10} % of its life used`;
  const todo = "plan to replace it; copy the data folder in time";
  if (endOfLife === 3 || (usedTenths ?? 0) > 10)
    return ["problem", `${name}: ${used}`, "replace it now; copy the data folder first"];
  if (endOfLife === 2 || (usedTenths ?? 0) >= 9) return ["warning", `${name}: ${used}`, todo];
  return ["ok", `${name}: ${used}`];
}

function certified(
  address: string,
  found: NonNullable<Found<CertificateFacts>>,
  isClockTrusted: boolean,
  nowMs: number,
): Row {
  if ("trouble" in found)
    return ["problem", `${address}: ${found.trouble.message}`, "check whether the broker speaks TLS on this port"];
  const { subject, validFromMs, validToMs, distrust } = found.value;
  const until = `${address}: ${subject}, valid until ${new Date(validToMs).toISOString().slice(0, 10)}`;
  const clock = isClockTrusted ? "" : "; set the clock first, it may be the one that is wrong";
  if (nowMs > validToMs) return ["problem", until, `renew the broker's certificate${clock}`];
  if (nowMs < validFromMs) return ["problem", `${until}, but not yet`, "set the clock"];
  if (distrust !== null)
    return [
      "problem",
      `${until}; not trusted: ${distrust}`,
      "use a certificate that this board trusts, or add its authority (NODE_EXTRA_CA_CERTS)",
    ];
  const left = (validToMs - nowMs) / DAY_MS;
  return left < 21
    ? ["warning", `${until}, ${Math.floor(left)} days`, "renew the broker's certificate"]
    : ["ok", until];
}

function modelRows({ name, folder, sha256, servedSha256, inferenceMs }: DoctorFacts["models"][number]): Row[] {
  if (sha256 !== null && "trouble" in sha256)
    return [["problem", `${name}: ${sha256.trouble.message}`, "make or fetch the package again"]];
  if (isValue(sha256) && servedSha256 !== null && servedSha256 !== sha256.value) {
    return [
      [
        "warning",
        `${name}: ${folder} is not what the daemon serves`,
        "systemctl restart lichend, if it was replaced on purpose",
      ],
    ];
  }
  const hash = isValue(sha256) ? `${short(sha256.value)}, ` : "";
  if (inferenceMs === null) return [["ok", `${name}: ${hash}no inference so far`]];
  if ("trouble" in inferenceMs)
    return [["problem", `${name}: ${inferenceMs.trouble.message}`, "import or quantize the model again"]];
  return [["ok", `${name}: ${hash}an inference takes ${inferenceMs.value.toFixed(1)} ms`]];
}
