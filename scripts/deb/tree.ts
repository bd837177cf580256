import { execFile } from "node:child_process";
import { chmod, cp, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { CONFIG_PATH, secrets, startingConfig, users } from "../../device/operation/installation.ts";
import { SERVICE, USUAL, unit } from "../../device/operation/unit.ts";
import { packageRoot } from "../../device/package-root.ts";
import { bundle } from "../bundle/bundle.ts";
import {
  ARCHITECTURES,
  type Architecture,
  changelog,
  copyright,
  LINTIAN_OVERRIDES,
  type Licensed,
  PACKAGE,
} from "./package.ts";

/** Where Lichen lies on a board. */
const HOME = `/usr/lib/${PACKAGE}`;

export interface TreeOptions {
  readonly folder: string;
  readonly architecture: Architecture;
  readonly version: string;
  readonly maintainer: string;
  /** RFC 5322 */
  readonly date: string;
}

/** Lays out the files of a board below a folder, for one architecture. */
export async function layOut(options: TreeOptions): Promise<void> {
  const { folder, architecture } = options;
  const home = join(folder, HOME);
  await mkdir(home, { recursive: true });
  await dependencies(home, architecture);
  await bundle(join(home, "dist"));
  await cp(join(packageRoot(), "models"), join(home, "models"), { recursive: true });
  for (const command of ["lichen", "lichend"]) {
    await mkdir(join(folder, "usr/bin"), { recursive: true });
    await symlink(`../lib/${PACKAGE}/dist/device/${command}.js`, join(folder, "usr/bin", command));
  }
  for (const [path, text] of Object.entries(texts())) await put(join(folder, path), text);
  await documents(options, await licences(folder, home));
  await settleModes(folder);
}

/** Files of a few lines, by their path. */
const texts = (): Readonly<Record<string, string>> => ({
  [CONFIG_PATH]: startingConfig(HOME),
  [`/usr/lib/systemd/system/${SERVICE}`]: unit({
    node: "/usr/bin/node",
    program: `${HOME}/dist/device/lichend.js`,
    config: CONFIG_PATH,
    user: PACKAGE,
    writable: [],
    readsHome: false,
    ...USUAL,
  }),
  [`/usr/lib/sysusers.d/${PACKAGE}.conf`]: users(PACKAGE),
  [`/usr/lib/tmpfiles.d/${PACKAGE}.conf`]: secrets(PACKAGE),
  [`/usr/share/lintian/overrides/${PACKAGE}`]: LINTIAN_OVERRIDES,
});

/** The packages of the lock file, for a board of this architecture, without install scripts. */
async function dependencies(home: string, architecture: Architecture): Promise<void> {
  for (const name of ["package.json", "package-lock.json", ".npmrc"])
    await cp(join(packageRoot(), name), join(home, name));
  const { cpu } = ARCHITECTURES[architecture];
  const words = ["ci", "--omit=dev", "--ignore-scripts", "--os=linux", `--cpu=${cpu}`, "--libc=glibc", "--no-progress"];
  await promisify(execFile)("npm", words, { cwd: home, maxBuffer: 64 * 1024 * 1024 });
  for (const name of ["package-lock.json", ".npmrc", "node_modules/.package-lock.json"]) await rm(join(home, name));
  const manifest = JSON.parse(await readFile(join(home, "package.json"), "utf8"));
  const { name, version, license, type, engines } = manifest;
  await writeFile(
    join(home, "package.json"),
    `${JSON.stringify({ name, version, license, type, engines }, null, 2)}\n`,
  );
  await onlyBinaries(join(home, "node_modules/onnxruntime-node/bin"), `linux/${cpu}`);
  await withoutMusl(join(home, "node_modules"));
  await prune(join(home, "node_modules"));
}

/** ONNX Runtime brings the binaries of every system: 290 MB, of which a board needs a tenth. */
async function onlyBinaries(bin: string, kept: string): Promise<void> {
  for (const napi of await readdir(bin)) {
    for (const system of await readdir(join(bin, napi))) {
      for (const cpu of await readdir(join(bin, napi, system))) {
        if (`${system}/${cpu}` !== kept) await rm(join(bin, napi, system, cpu), { recursive: true });
      }
      if ((await readdir(join(bin, napi, system))).length === 0) await rm(join(bin, napi, system), { recursive: true });
    }
  }
}

/** Binaries for Alpine, which npm brings along where the lock file does not say which C library a package is for. */
async function withoutMusl(modules: string): Promise<void> {
  for (const scope of (await readdir(modules)).filter((name) => name.startsWith("@"))) {
    for (const name of await readdir(join(modules, scope))) {
      if (name.includes("musl")) await rm(join(modules, scope, name), { recursive: true });
    }
  }
}

/** Types, maps and pages, which nothing reads on a board. Licences stay. */
async function prune(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (UNUSED_FOLDERS.has(entry.name)) await rm(path, { recursive: true });
      else await prune(path);
    } else if (UNUSED_FILES.test(entry.name) && !LICENCE.test(entry.name)) {
      await rm(path);
    }
  }
  if ((await readdir(folder)).length === 0) await rm(folder, { recursive: true });
}

const UNUSED_FOLDERS: ReadonlySet<string> = new Set([
  ".bin",
  ".github",
  ".husky",
  ".vscode",
  "__tests__",
  "benchmarks",
]);
const UNUSED_FILES =
  /\.([cm]?ts|map|md|markdown|html|sh|ps1|cc|h|gyp|gypi|tsbuildinfo)$|^\.(?!$)|^(yarn\.lock|Makefile|tsconfig.*\.json)$/i;
const LICENCE = /licen[cs]e|notice|copying/i;

async function documents({ folder, version, maintainer, date }: TreeOptions, packages: readonly Licensed[]) {
  const doc = join(folder, "usr/share/doc", PACKAGE);
  await put(join(doc, "copyright"), copyright(packages));
  const changes = await readFile(join(packageRoot(), "CHANGELOG.md"));
  await put(join(doc, "changelog.gz"), gzipSync(changes, { level: 9 }));
  await put(join(doc, "changelog.Debian.gz"), gzipSync(changelog(version, maintainer, date), { level: 9 }));
  await put(join(doc, "README.md"), await readFile(join(packageRoot(), "device/README.md")));
}

/** Every npm package, with the licence that it names. */
async function licences(folder: string, home: string): Promise<Licensed[]> {
  const found: Licensed[] = [];
  for (const path of await packagesBelow(join(home, "node_modules"))) {
    const { name, license } = JSON.parse(await readFile(join(path, "package.json"), "utf8"));
    found.push({
      path: path.slice(folder.length + 1),
      name,
      license: String(license ?? "unknown").replaceAll(/[()]/g, ""),
    });
  }
  return found;
}

async function packagesBelow(modules: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await readdir(modules)).sort()) {
    const path = join(modules, name);
    if (name.startsWith("@")) found.push(...(await packagesBelow(path)));
    else {
      found.push(path);
      if ((await readdir(path)).includes("node_modules"))
        found.push(...(await packagesBelow(join(path, "node_modules"))));
    }
  }
  return found;
}

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

/** The builder's umask and the registry's archives must not decide what a board gets. */
async function settleModes(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return;
  if (found.isDirectory()) {
    await chmod(path, 0o755);
    for (const name of await readdir(path)) await settleModes(join(path, name));
  } else {
    await chmod(path, /dist\/device\/lichend?\.js$/.test(path) ? 0o755 : 0o644);
  }
}
