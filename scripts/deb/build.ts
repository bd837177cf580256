import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { softwareVersion } from "../../device/cli/version.ts";
import { CONFIG_PATH } from "../../device/operation/installation.ts";
import { packageRoot } from "../../device/package-root.ts";
import { ARCHITECTURES, type Architecture, conffiles, control, PACKAGE, POSTINST, POSTRM, PRERM } from "./package.ts";
import { layOut } from "./tree.ts";

/**
 * `npm run deb -- --arch arm64`: dist/deb/lichen_VERSION_ARCH.deb, on any machine with npm and dpkg-deb. The same commit and
 * SOURCE_DATE_EPOCH (without it the time of the commit) give the same bytes.
 */

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: "arm64,amd64" },
      out: { type: "string", default: "dist/deb" },
      /** Compressed less, in a tenth of the time: for tests. */
      fast: { type: "boolean", default: false },
    },
  });
  const out = resolve(packageRoot(), values.out);
  for (const architecture of values.arch.split(",")) {
    if (!(architecture in ARCHITECTURES)) throw new Error(`--arch: ${Object.keys(ARCHITECTURES).join(" or ")}`);
    const built = await build(architecture as Architecture, out, values.fast ? ["-Zgzip", "-z1"] : ["-Zxz", "-z6"]);
    process.stdout.write(
      `${built.path}: ${mebibytes(built.bytes)} MiB, installed ${mebibytes(built.installedBytes)} MiB\n`,
    );
  }
}

async function build(architecture: Architecture, folder: string, compression: readonly string[]) {
  const epochSeconds = Number(process.env.SOURCE_DATE_EPOCH ?? (await commitSeconds()));
  const work = await mkdtemp(join(tmpdir(), "lichen-deb-"));
  try {
    const tree = join(work, "tree");
    await mkdir(tree);
    const version = softwareVersion();
    const date = new Date(epochSeconds * 1000).toUTCString().replace("GMT", "+0000");
    await layOut({ folder: tree, architecture, version, maintainer: MAINTAINER, date });
    const files = await filesBelow(tree);
    const installedBytes = (await Promise.all(files.map(async (path) => (await lstat(path)).size))).reduce(
      (a, b) => a + b,
      0,
    );
    await describe(tree, files, control({ version, architecture, maintainer: MAINTAINER, installedBytes }));
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${PACKAGE}_${version}_${architecture}.deb`);
    // One thread: how xz cuts its blocks must not depend on the builder's processor.
    const words = [...compression, "--threads-max=1", "--root-owner-group", "--build", tree, path];
    await promisify(execFile)("dpkg-deb", words, { env: { ...process.env, SOURCE_DATE_EPOCH: `${epochSeconds}` } });
    return { path, bytes: (await stat(path)).size, installedBytes };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As Debian's tools know who packages. */
const MAINTAINER = `${process.env.DEBFULLNAME ?? "Lichen"} <${process.env.DEBEMAIL ?? "lichen@example.org"}>`;

async function describe(tree: string, files: readonly string[], controlText: string): Promise<void> {
  const folder = join(tree, "DEBIAN");
  await mkdir(folder);
  const texts = { control: controlText, conffiles: conffiles([CONFIG_PATH]), md5sums: await sums(tree, files) };
  for (const [name, text] of Object.entries(texts)) await put(join(folder, name), text, 0o644);
  for (const [name, text] of Object.entries({ postinst: POSTINST, prerm: PRERM, postrm: POSTRM })) {
    await put(join(folder, name), text, 0o755);
  }
}

async function put(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text);
  await chmod(path, mode);
}

async function sums(tree: string, files: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const path of files) {
    const name = path.slice(tree.length + 1);
    if ((await lstat(path)).isSymbolicLink() || `/${name}` === CONFIG_PATH) continue;
    lines.push(
      `${createHash("md5")
        .update(await readFile(path))
        .digest("hex")}  ${name}\n`,
    );
  }
  return lines.join("");
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(path)));
    else found.push(path);
  }
  return found;
}

async function commitSeconds(): Promise<number> {
  const { stdout } = await promisify(execFile)("git", ["log", "-1", "--format=%ct"], { cwd: packageRoot() });
  return Number(stdout);
}

const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);

await main();
