import { lstat, mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseConfig } from "../../../device/config/load.ts";
import { carryOut, type System } from "../../../device/operation/carry-out.ts";
import {
  CONFIG_PATH,
  type InstallOptions,
  installSteps,
  startingConfig,
  told,
  uninstallSteps,
} from "../../../device/operation/installation.ts";
import { NODE_FLAGS } from "../../../device/operation/node-flags.ts";
import { temporaryFolder } from "../fixtures.ts";

const optionsFor = (root: string): InstallOptions => ({
  root,
  prefix: "/usr/local",
  user: "lichen",
  packageRoot: "/opt/lichen",
  unit: {
    node: "/usr/bin/node",
    devices: [],
    writable: [],
    readsHome: false,
    memoryHigh: "60%",
    memoryMax: "75%",
  },
});

function system(isLive = false): System & { readonly ran: string[] } {
  const ran: string[] = [];
  return { isLive, ran, run: async (words) => void ran.push(words.join(" ")) };
}

const carryOutAll = async (steps: ReturnType<typeof installSteps>, on: System) => {
  const outcomes: string[] = [];
  for (const step of steps) outcomes.push(await carryOut(step, on));
  return outcomes;
};

test("an installation into another root makes its files there, and asks nothing of the running machine", async () => {
  const root = await temporaryFolder();
  const machine = system();
  await carryOutAll(installSteps(optionsFor(root)), machine);
  expect(await readFile(join(root, "etc/sysusers.d/lichen.conf"), "utf8")).toBe(
    'u lichen - "Lichen" /var/lib/lichen\n',
  );
  expect(await readFile(join(root, "etc/systemd/system/lichend.service"), "utf8")).toContain(
    `ExecStart=/usr/bin/node ${NODE_FLAGS.join(" ")} /opt/lichen/dist/device/lichend.js --config ${CONFIG_PATH}`,
  );
  expect(await readlink(join(root, "usr/local/bin/lichen"))).toBe("/opt/lichen/dist/device/lichen.js");
  expect(machine.ran).toEqual([
    `systemd-sysusers --root=${root} ${root}/etc/sysusers.d/lichen.conf`,
    `systemd-tmpfiles --root=${root} --create ${root}/etc/tmpfiles.d/lichen.conf`,
    `systemctl --root=${root} enable lichend.service`,
  ]);
});

test("a second installation changes no file, and keeps a configuration that was edited", async () => {
  const root = await temporaryFolder();
  await carryOutAll(installSteps(optionsFor(root)), system());
  await writeFile(join(root, CONFIG_PATH), "model: mine\n");
  const outcomes = await carryOutAll(installSteps(optionsFor(root)), system());
  expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(3);
  expect(await readFile(join(root, CONFIG_PATH), "utf8")).toBe("model: mine\n");
});

test("uninstalling leaves what the board has learnt, purging nothing; both may be done twice", async () => {
  const root = await temporaryFolder();
  const options = optionsFor(root);
  await carryOutAll(installSteps(options), system());
  await mkdir(join(root, "var/lib/lichen/data"), { recursive: true });
  await writeFile(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nlichen:x:990:990::/:/bin/false\n");

  const machine = system();
  await carryOutAll(uninstallSteps({ ...options, purge: false }), machine);
  expect(machine.ran).toEqual([`systemctl --root=${root} disable lichend.service`]);
  expect(await readdir(join(root, "var/lib"))).toEqual(["lichen"]);
  expect(await readdir(join(root, "etc"))).toEqual(["lichen", "passwd", "systemd", "sysusers.d", "tmpfiles.d"]);
  expect(await readdir(join(root, "usr/local/bin"))).toEqual([]);

  const purging = system();
  await carryOutAll(uninstallSteps({ ...options, purge: true }), purging);
  expect(purging.ran).toEqual([`userdel --prefix ${root} lichen`]);
  expect(await readdir(join(root, "var/lib"))).toEqual([]);
  await writeFile(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  const again = system();
  expect(new Set(await carryOutAll(uninstallSteps({ ...options, purge: true }), again))).toEqual(new Set(["there"]));
  expect(again.ran).toEqual([]);
});

test("a program of the same name that is not Lichen's is neither replaced nor removed", async () => {
  const root = await temporaryFolder();
  await mkdir(join(root, "usr/local/bin"), { recursive: true });
  await writeFile(join(root, "usr/local/bin/lichen"), "somebody's");
  await expect(carryOutAll(installSteps(optionsFor(root)), system())).rejects.toMatchObject({
    code: "INSTALL_FAILED",
    details: { at: join(root, "usr/local/bin/lichen") },
  });
  await carryOutAll(uninstallSteps({ ...optionsFor(root), purge: true }), system());
  expect((await lstat(join(root, "usr/local/bin/lichen"))).isFile()).toBe(true);
});

test("on a live machine the service is started last, and stopped before its unit goes", () => {
  const options = optionsFor("/");
  expect(installSteps(options).map(told).slice(-2)).toEqual([
    "run systemctl daemon-reload",
    "run systemctl restart lichend.service",
  ]);
  expect(uninstallSteps({ ...options, purge: false }).map(told)).toEqual([
    "run systemctl stop lichend.service",
    "run systemctl disable lichend.service",
    "remove /etc/systemd/system/lichend.service",
    "remove the link /usr/local/bin/lichen",
    "remove the link /usr/local/bin/lichend",
    "run systemctl daemon-reload",
    "remove /etc/sysusers.d/lichen.conf",
    "remove /etc/tmpfiles.d/lichen.conf",
  ]);
});

test("a configuration of one's own is neither written nor removed", () => {
  const options = { ...optionsFor("/"), config: "/srv/box.yml" };
  expect(installSteps(options).map(told).join("\n")).not.toContain("lichen.yml");
  expect(installSteps(options).some((step) => step.tag === "file" && step.text.includes("--config /srv/box.yml"))).toBe(
    true,
  );
});

test("the configuration that is written is valid", () => {
  expect(parseConfig(startingConfig("/opt/my lichen"), CONFIG_PATH)).toMatchObject({
    stations: [{ model: "/opt/my lichen/models/spoken-digits" }],
    data: "/var/lib/lichen",
    socket: "/run/lichen/lichend.sock",
  });
});
