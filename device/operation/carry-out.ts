import { execFile } from "node:child_process";
import { chmod, lstat, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { LichenError } from "../../runtime/errors.ts";
import { isMissing } from "../disk/disk.ts";
import type { Step } from "./installation.ts";

/** `there`: nothing had to be done. */
export type Outcome = "done" | "there";

export interface System {
  /** Whether systemd runs this machine, and the root folder is this machine's. */
  readonly isLive: boolean;
  /** @throws what the program says */
  run(words: readonly string[]): Promise<void>;
}

/** @throws INSTALL_FAILED, naming the step; those before it stand, and a second try goes on from there */
export async function carryOut(step: Step, system: System): Promise<Outcome> {
  try {
    return await ACTS[step.tag](step as never, system);
  } catch (cause) {
    const at = step.tag === "run" ? step.words.join(" ") : step.path;
    throw new LichenError("INSTALL_FAILED", { at, found: saidBy(cause), cause });
  }
}

type Act<Tag extends Step["tag"]> = (step: Extract<Step, { tag: Tag }>, system: System) => Promise<Outcome>;

const ACTS: { readonly [Tag in Step["tag"]]: Act<Tag> } = {
  async file({ path, text, mode, keep }) {
    const found = await readFile(path, "utf8").catch(absent);
    if (found === text || (keep && found !== undefined)) return "there";
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    await chmod(path, mode);
    return "done";
  },
  async link({ path, target }) {
    if (await isLinkTo(path, target)) return "there";
    await mkdir(dirname(path), { recursive: true });
    // Only a link is replaced: a program of that name is somebody's.
    if ((await lstat(path).catch(absent))?.isSymbolicLink()) await rm(path);
    await symlink(target, path);
    return "done";
  },
  async run({ words, when }, system) {
    if (when.live && !system.isLive) return "there";
    if (when.file !== undefined && (await lstat(when.file).catch(absent)) === undefined) return "there";
    if (when.user !== undefined && !(await isKnown(when.user))) return "there";
    await system.run(words);
    return "done";
  },
  async remove({ path }) {
    if ((await lstat(path).catch(absent)) === undefined) return "there";
    await rm(path, { recursive: true });
    return "done";
  },
  async unlink({ path, target }) {
    if (!(await isLinkTo(path, target))) return "there";
    await rm(path);
    return "done";
  },
};

const isLinkTo = async (path: string, target: string): Promise<boolean> =>
  (await readlink(path).catch(() => undefined)) === target;

const isKnown = async ({ name, passwd }: { name: string; passwd: string }): Promise<boolean> =>
  ((await readFile(passwd, "utf8").catch(absent)) ?? "").split("\n").some((line) => line.startsWith(`${name}:`));

function absent(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

const saidBy = (cause: unknown): string => {
  const { stderr, message } = cause as { stderr?: string; message: string };
  return stderr?.trim() || message;
};

/** Programs of this machine. */
export const runOnSystem = async (words: readonly string[]): Promise<void> => {
  const [program, ...rest] = words;
  await promisify(execFile)(program!, rest);
};
