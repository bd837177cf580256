/** Prints `name@version` of each package that a board with arm64 and glibc installs and an x64 machine does not, from package-lock.json. */
import { readFile } from "node:fs/promises";

interface Locked {
  version?: string;
  dev?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

const lock: { packages: Record<string, Locked> } = JSON.parse(await readFile("package-lock.json", "utf8"));

for (const [path, locked] of Object.entries(lock.packages)) {
  const name = path.replace(/^node_modules\//, "");
  if (isForBoard(name, locked)) console.log(`${name}@${locked.version}`);
}

/** Some packages name their C library in their name only. */
function isForBoard(name: string, { dev = false, os = [], cpu = [], libc = ["glibc"] }: Locked): boolean {
  const runs = os.includes("linux") && cpu.includes("arm64") && libc.includes("glibc") && !name.includes("musl");
  return !dev && runs && !cpu.includes("x64");
}
