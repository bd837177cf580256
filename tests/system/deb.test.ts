import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { softwareVersion } from "../../device/cli/version.ts";
import { packageRoot } from "../../device/package-root.ts";
import { canHaveMachine, type Machine, startMachine, until } from "./deb-machine.ts";

const isNeeded = process.env.LICHEN_REQUIRE_SYSTEM === "1";
const isPossible = canHaveMachine();
if (!isPossible) console.warn("skipped: the Debian package needs root, Debian, systemd and overlay mounts");

const architecture = process.arch === "arm64" ? "arm64" : "amd64";
const MINUTES = 60_000;

test.runIf(isNeeded)("the package can be tried here", () => {
  expect(isPossible).toBe(true);
});

describe.runIf(isPossible)("the Debian package", { timeout: 4 * MINUTES }, () => {
  let folder: string;
  let deb: string;
  let machine: Machine;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lichen-deb-test-"));
    deb = await build(folder);
    machine = await startMachine();
  }, 5 * MINUTES);

  afterAll(async () => {
    await machine?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("holds one architecture's binaries, owned by root, and nothing that only a developer needs", async () => {
    const { stdout } = await promisify(execFile)("dpkg-deb", ["--contents", deb], { maxBuffer: 64 * 1024 * 1024 });
    const lines = stdout.trim().split("\n");
    const binaries = lines.filter((line) => /\.(node|so[.\d]*|dylib|dll)$/.test(line));
    expect(binaries.length).toBeGreaterThan(2);
    expect(binaries.filter((line) => /darwin|win32|musl|\.(dylib|dll)$/.test(line))).toEqual([]);
    expect(binaries.filter((line) => line.includes(architecture === "arm64" ? "x64" : "arm64"))).toEqual([]);
    expect(lines.filter((line) => !/ root\/root /.test(line) || line.slice(0, 10).includes("s"))).toEqual([]);
    expect(lines.filter((line) => /typescript|vitest|biome|\.d\.ts$|\.map$/.test(line))).toEqual([]);
  });

  test(
    "is the same bytes when it is built again",
    async () => {
      const again = await build(join(folder, "again"));
      expect(await sha256(again)).toBe(await sha256(deb));
    },
    5 * MINUTES,
  );

  test("installed, lichend serves: systemd has heard that it is ready", async () => {
    await machine.sh(`dpkg --force-depends -i ${deb} 2>&1`);
    await until(isActive, journal);
    expect(await machine.sh("lichen --version")).toBe(softwareVersion());
    expect(await machine.sh("systemctl show -p StatusText --value lichend")).toContain("spoken-digits");
    expect(await machine.sh("systemctl is-enabled lichend")).toBe("enabled");
    expect(await machine.sh("stat -c '%U:%G %a' /etc/lichen /var/lib/lichen")).toBe(
      "root:lichen 750\nlichen:lichen 750",
    );
    expect(await machine.sh("ps -o user= -p $(systemctl show -p MainPID --value lichend)")).toBe("lichen");
  });

  test(
    "the hardened service infers and trains: ONNX Runtime and its training process live with the system call filter",
    async () => {
      // Whatever else this machine does meanwhile: the governor would rightly wait for it.
      await machine.sh(`echo '${UNGOVERNED}' >>/etc/lichen/lichen.yml && systemctl reload lichend`);
      const recordings = join(packageRoot(), "scripts/demo/recordings/board-b");
      const answer = JSON.parse(await machine.sh(`lichen infer --json '${recordings}/test/seven/00.wav'`));
      expect(answer.label).toEqual(expect.any(String));
      await machine.sh(
        `cp -r '${recordings}/train/.' /var/lib/lichen/watch/ && chown -R lichen:lichen /var/lib/lichen/watch`,
      );
      const total = async () => JSON.parse(await machine.sh("lichen status --json")).samples.total;
      await until(
        async () => (await total()) >= 20,
        () => machine.sh("lichen status; ls -lR /var/lib/lichen/watch | head -30"),
      );
      const events = await machine.sh("timeout 200 lichen adapt --json || lichen why");
      expect(events).toMatch(/"tag":"(accepted|rejected)"/);
      expect(await journal()).not.toMatch(/status=31\/SYS|Operation not permitted/);
    },
    4 * MINUTES,
  );

  test("lichen eval works on the model that came along", async () => {
    const data = join(packageRoot(), "scripts/demo/recordings/board-b/test");
    const line = `lichen eval --json --model /usr/lib/lichen/models/spoken-digits --data '${data}'`;
    const { schema, ...result } = JSON.parse(await machine.sh(line));
    expect(schema).toMatch(/^lichen\/eval\//);
    expect(JSON.stringify(result)).toContain("accuracy");
  });

  test("systemctl reload takes over what it can, and says what it cannot", async () => {
    await machine.sh(
      "printf 'gate: {minHeldOut: 4}\\nthreads: 2\\n' >>/etc/lichen/lichen.yml && systemctl reload lichend",
    );
    await until(isActive, journal);
    const { problems } = JSON.parse(await machine.sh("lichen status --json"));
    expect(problems).toEqual([expect.objectContaining({ code: "RESTART_NEEDED" })]);
    expect(problems[0].message).toContain("(threads)");
    expect(await journal()).toContain("what holds now: gate.minHeldOut");
  });

  test("a daemon that hangs is started again by the watchdog", async () => {
    await machine.sh(
      "mkdir -p /etc/systemd/system/lichend.service.d && printf '[Service]\\nWatchdogSec=4\\nRestartSec=1\\n' >/etc/systemd/system/lichend.service.d/test.conf && systemctl daemon-reload && systemctl restart lichend",
    );
    const pid = await mainPid();
    // A while longer than the watchdog waits: it is fed.
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(await mainPid()).toBe(pid);
    await machine.sh(`kill -STOP ${pid}`);
    await until(async () => (await isActive()) && (await mainPid()) !== pid, journal);
    expect(await machine.sh("systemctl show -p NRestarts --value lichend")).toBe("1");
  });

  test("removed, what the board has learnt stays; purged, nothing of it does", async () => {
    await machine.sh("rm -r /etc/systemd/system/lichend.service.d && dpkg -r lichen 2>&1");
    expect(await machine.sh("systemctl is-active lichend || true")).toBe("inactive");
    expect(await machine.sh("ls /usr/bin/lichen /usr/lib/lichen 2>/dev/null || true")).toBe("");
    expect(await machine.sh("ls /etc/lichen")).toBe("lichen.yml");
    expect(await machine.sh("ls /var/lib/lichen/samples | wc -l")).not.toBe("0");

    await machine.sh("dpkg -P lichen 2>&1");
    expect(
      await machine.sh(
        "find /etc /usr /var /run -xdev -name 'lichen*' -not -path '/usr/lib/node_modules/*' -not -path '/var/tmp/*'",
      ),
    ).toBe("");
    expect(await machine.sh("getent passwd lichen || getent group lichen || true")).toBe("");
  });

  const isActive = async () => (await machine.sh("systemctl is-active lichend || true")) === "active";
  const mainPid = () => machine.sh("systemctl show -p MainPID --value lichend");
  const journal = () => machine.sh("journalctl -u lichend --no-pager | tail -40");
});

const NO_BOUND = "{startBelow: 100, pauseAbove: 100}";
const UNGOVERNED = `governor: {cpuPressurePercent: ${NO_BOUND}, memoryPressurePercent: ${NO_BOUND}, ioPressurePercent: ${NO_BOUND}, loadPerCore: {startBelow: 1000, pauseAbove: 1000}, freeMemoryBytes: {startAbove: 0, pauseBelow: 0}}`;

async function build(out: string): Promise<string> {
  const script = join(packageRoot(), "dist/scripts/deb/build.js");
  const words = [script, "--arch", architecture, "--out", out, "--fast"];
  await promisify(execFile)(process.execPath, words, { env: { ...process.env, SOURCE_DATE_EPOCH: "1790000000" } });
  return join(out, `lichen_${softwareVersion()}_${architecture}.deb`);
}

const sha256 = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
