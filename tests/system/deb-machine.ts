import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A Debian with systemd as its first process: this machine's files beneath, and whatever is written gone with it. */
export interface Machine {
  /** Runs a line of shell as root. @throws with what it said on stderr */
  sh(line: string): Promise<string>;
  stop(): Promise<void>;
}

const NEEDED = [
  "/usr/bin/unshare",
  "/usr/bin/setpriv",
  "/usr/bin/nsenter",
  "/usr/bin/dpkg-deb",
  "/lib/systemd/systemd",
  "/usr/bin/node",
];

export const canHaveMachine = (): boolean =>
  process.getuid?.() === 0 &&
  NEEDED.every((path) => existsSync(path)) &&
  /\boverlay\b/.test(readFileSync("/proc/filesystems", "utf8"));

export async function startMachine(): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), "lichen-machine-"));
  const script = join(folder, "boot.sh");
  await writeFile(script, BOOT);
  const namespaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--kill-child"];
  // A test run that is killed takes its machine along.
  const words = ["--pdeathsig", "KILL", "unshare", ...namespaces, "sh", script, folder];
  const child = spawn("setpriv", words, { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => said.push(String(text)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const root = join(folder, "root");

  async function sh(line: string): Promise<string> {
    const words = ["-t", firstProcess(child), "-m", "-p", "-u", "-i", "-C", "chroot", root, "sh", "-c", line];
    const { stdout } = await promisify(execFile)("nsenter", words, { timeout: 220_000, maxBuffer: 16 * 1024 * 1024 });
    return stdout.trim();
  }

  const machine: Machine = {
    sh,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await until(
      () => sh("systemctl is-active test.target").then((state) => state === "active"),
      () => said.join(""),
    );
    return machine;
  } catch (error) {
    await machine.stop();
    throw error;
  }
}

/** Asks again and again. @throws after two minutes, on a busy machine hardly too many, with what `why` says */
export async function until(
  isSo: () => Promise<boolean>,
  why: () => string | Promise<string> = () => "",
  seconds = 120,
) {
  const end = performance.now() + seconds * 1000;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > end) throw new Error(`it did not come to be so: ${await why()}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** The machine's systemd, as this machine counts processes. */
function firstProcess({ pid }: ChildProcess): string {
  const found = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0];
  if (!found) throw new Error("the machine has ended");
  return found;
}

/** Mounts are this namespace's own; nothing that this machine runs is started, only systemd and its journal. */
const BOOT = `
set -e
cd "$1"
mount --make-rprivate /
mkdir layers root
mount -t tmpfs layers layers
mkdir layers/upper layers/work
mount -t overlay machine -o lowerdir=/,upperdir=layers/upper,workdir=layers/work root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs control sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs run run
rm -f usr/sbin/policy-rc.d
# At its boot a Debian empties /tmp, where the project itself may lie.
mkdir -p etc/tmpfiles.d && ln -sf /dev/null etc/tmpfiles.d/tmp.conf
printf '[Unit]\\nDescription=test\\n' >etc/systemd/system/test.target
export container=lichen
exec chroot . /lib/systemd/systemd --system --unit=test.target --log-target=journal --show-status=no
`;
