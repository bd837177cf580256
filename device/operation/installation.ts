import { dirname, join, relative } from "node:path";
import { type Device, FOLDER, SERVICE, type UnitOptions, unit } from "./unit.ts";

/** One thing that is so after an installation; carrying it out a second time changes nothing. */
export type Step =
  | { readonly tag: "file"; readonly path: string; readonly text: string; readonly mode: number; readonly keep?: true }
  | { readonly tag: "link"; readonly path: string; readonly target: string }
  | { readonly tag: "run"; readonly words: readonly string[]; readonly when: Condition }
  | { readonly tag: "remove"; readonly path: string }
  /** Removed only while it is the link that an installation made. */
  | { readonly tag: "unlink"; readonly path: string; readonly target: string };

/** When a program is run. */
export interface Condition {
  /** Only where systemd runs this machine. */
  readonly live?: true;
  /** Only while this file is there. */
  readonly file?: string;
  /** Only while the file `passwd` knows this user. */
  readonly user?: { readonly name: string; readonly passwd: string };
}

export interface InstallOptions {
  /** `/`, or the folder that stands for it. */
  readonly root: string;
  /** Where `bin/lichen` and `bin/lichend` go. */
  readonly prefix: string;
  readonly user: string;
  /** A configuration of one's own, absolute; without it one is written to /etc/lichen, unless one is there. */
  readonly config?: string;
  readonly unit: Pick<UnitOptions, "node" | "writable" | "readsHome" | "memoryHigh" | "memoryMax"> & {
    readonly devices: readonly Device[];
  };
  /** The folder of Lichen itself. */
  readonly packageRoot: string;
}

export const CONFIG_PATH = `/etc/${FOLDER}/lichen.yml`;
const UNIT_PATH = `/etc/systemd/system/${SERVICE}`;
const USERS_PATH = `/etc/sysusers.d/${FOLDER}.conf`;
export const DATA_FOLDER = `/var/lib/${FOLDER}`;
export const RUNTIME_FOLDER = `/run/${FOLDER}`;
export const SOCKET_PATH = `${RUNTIME_FOLDER}/lichend.sock`;
const SECRETS_PATH = `/etc/tmpfiles.d/${FOLDER}.conf`;
const PROGRAMS = ["lichen", "lichend"] as const;

/** Pure: what `lichen install` does, in order. */
export function installSteps(options: InstallOptions): Step[] {
  const { root, user, packageRoot } = options;
  const config = options.config ?? CONFIG_PATH;
  const program = compiled(packageRoot, "lichend");
  return [
    file(root, USERS_PATH, users(user)),
    run({}, "systemd-sysusers", ...offline(root), join(root, USERS_PATH)),
    ...(options.config === undefined
      ? [{ ...file(root, CONFIG_PATH, startingConfig(packageRoot)), keep: true } as const]
      : []),
    file(root, SECRETS_PATH, secrets(user)),
    run({}, "systemd-tmpfiles", ...offline(root), "--create", join(root, SECRETS_PATH)),
    file(root, UNIT_PATH, unit({ ...options.unit, program, config, user })),
    ...links(options).map((link) => ({ tag: "link", ...link }) as const),
    run({}, "systemctl", ...offline(root), "enable", SERVICE),
    run({ live: true }, "systemctl", "daemon-reload"),
    run({ live: true }, "systemctl", "restart", SERVICE),
  ];
}

export interface UninstallOptions extends Pick<InstallOptions, "root" | "prefix" | "user" | "packageRoot"> {
  /** Also what the board has learnt, and its configuration. */
  readonly purge: boolean;
}

/** Pure: what `lichen uninstall` does, in order. A configuration of one's own stays in any case. */
export function uninstallSteps(options: UninstallOptions): Step[] {
  const { root, user, purge } = options;
  const installed = join(root, UNIT_PATH);
  return [
    run({ live: true, file: installed }, "systemctl", "stop", SERVICE),
    run({ file: installed }, "systemctl", ...offline(root), "disable", SERVICE),
    remove(root, UNIT_PATH),
    ...links(options).map((link) => ({ tag: "unlink", ...link }) as const),
    run({ live: true }, "systemctl", "daemon-reload"),
    remove(root, USERS_PATH),
    remove(root, SECRETS_PATH),
    ...(purge
      ? [
          remove(root, dirname(CONFIG_PATH)),
          remove(root, DATA_FOLDER),
          run(
            { user: { name: user, passwd: join(root, "etc", "passwd") } },
            "userdel",
            ...(root === "/" ? [] : ["--prefix", root]),
            user,
          ),
        ]
      : []),
  ];
}

/** A configuration that runs as it is, for /etc. @param packageRoot where `models` lies, as the daemon sees it */
export const startingConfig = (
  packageRoot: string,
): string => `# Lichen. Every key, its default and what it means: lichen config keys
# After a change: lichen config check ${CONFIG_PATH} && systemctl reload ${SERVICE}
device: lichen
model: ${JSON.stringify(join(packageRoot, "models", "spoken-digits"))}
data: ${DATA_FOLDER}
socket: ${SOCKET_PATH}
watch: { folder: ${DATA_FOLDER}/watch }
`;

/** For systemd-sysusers(8): a system user without a shell, and a group of its name. */
export const users = (user: string): string => `u ${user} - "Lichen" ${DATA_FOLDER}\n`;

/** For systemd-tmpfiles(8): the configuration may hold a password. */
export const secrets = (user: string): string => `z /etc/${FOLDER} 0750 root ${user} -\n`;

function links({ root, prefix, packageRoot }: Pick<InstallOptions, "root" | "prefix" | "packageRoot">) {
  return PROGRAMS.map((name) => ({ path: join(root, prefix, "bin", name), target: compiled(packageRoot, name) }));
}

const compiled = (packageRoot: string, program: (typeof PROGRAMS)[number]) =>
  join(packageRoot, "dist", "device", `${program}.js`);

const file = (root: string, path: string, text: string) =>
  ({ tag: "file", path: join(root, path), text, mode: 0o644 }) as const;

const remove = (root: string, path: string) => ({ tag: "remove", path: join(root, path) }) as const;

const run = (when: Condition, ...words: readonly string[]) => ({ tag: "run", words, when }) as const;

const offline = (root: string): string[] => (root === "/" ? [] : [`--root=${root}`]);

/** A step as `--dry-run` prints it. */
export function told(step: Step): string {
  switch (step.tag) {
    case "file":
      return `${step.keep ? "write, unless it is there," : "write"} ${step.path}`;
    case "link":
      return `link ${step.path} -> ${step.target}`;
    case "run":
      return `run ${step.words.join(" ")}`;
    case "remove":
      return `remove ${step.path}`;
    case "unlink":
      return `remove the link ${step.path}`;
  }
}

/** Whether a path lies in a folder or is it. */
export const isWithin = (path: string, folder: string): boolean => {
  const way = relative(folder, path);
  return way === "" || (!way.startsWith("..") && !way.startsWith("/"));
};
