import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { storedSchema } from "../../device/api/schemas.ts";
import { recordings } from "../e2e/board.ts";
import type { Fault } from "./fault.ts";
import { bringByFolder, bringByHttp, expectAnswer, expectRest, expectSamples, newLife, train } from "./life.ts";
import { type Victim, victim } from "./victim.ts";

/** A disk that can be made bad, and good again. */
interface BadDisk {
  readonly data?: string;
  readonly fault: Fault;
  spoil(): Promise<void>;
  mend(): Promise<void>;
}

async function injected(code: "ENOSPC" | "EROFS"): Promise<BadDisk> {
  const folder = await mkdtemp(join(tmpdir(), "lichen refusal "));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const refusal = join(folder, "refusal");
  return { fault: { refusal }, spoil: () => writeFile(refusal, code), mend: () => rm(refusal) };
}

const canMount = process.getuid?.() === 0 && isMountable();

/** A file system of its own, in memory and small. */
async function mounted(spoil: "fill" | "read-only"): Promise<BadDisk> {
  const data = await mkdtemp(join(tmpdir(), "lichen mount "));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", data]);
  onTestFinished(async () => {
    execFileSync("umount", ["--lazy", data]);
    await rm(data, { recursive: true, force: true });
  });
  const ballast = join(data, "ballast");
  if (spoil === "read-only") {
    const remount = async (how: "ro" | "rw") => void execFileSync("mount", ["-o", `remount,${how}`, data]);
    return { data, fault: {}, spoil: () => remount("ro"), mend: () => remount("rw") };
  }
  return {
    data,
    fault: {},
    async spoil() {
      const { bavail, bsize } = await statfs(data);
      await writeFile(ballast, new Uint8Array(bavail * bsize));
    },
    mend: () => rm(ballast),
  };
}

const FULL = {
  "the disk says that it is full": () => injected("ENOSPC"),
  "a real disk is full": () => mounted("fill"),
};

for (const [what, disk] of Object.entries(FULL)) {
  const isReal = what.includes("real");
  test.skipIf(isReal && skipsAloud(what))(
    `${what}: samples wait and are refused with a code, inference goes on, and all is taken when there is room`,
    async () => {
      const { data, fault, spoil, mend } = await disk();
      const board = await victim(data === undefined ? {} : { data });
      const life = newLife();
      const [first, second, third, ...rest] = await recordings("board-a", "train");
      const [probe] = await recordings("board-a", "test");
      await board.start(fault);
      await bringByHttp(board, life, [first!], true);
      await spoil();

      await expectRefused(board, await readFile(second!.file));
      const waiting = await board.drop(third!.file, join(third!.label, "waits.wav"));
      for (let asked = 0; asked < 20; asked++) await expectAnswer(board, probe!);
      await expect(train(board, life)).rejects.toThrow("STORAGE_FAILED");
      await expectAnswer(board, probe!);
      expect((await board.status()).samples.total).toBe(1);

      await mend();
      await bringByFolder(board, life, rest.slice(0, 3));
      await bringByHttp(board, life, [second!], true);
      await board.until(async () => {
        expect(await stat(waiting).catch(() => null)).toBeNull();
      });
      await bringByHttp(board, life, [third!], true);
      await expectSamples(board, life);
      await expectRest(board);
    },
  );
}

const READ_ONLY = {
  "the disk says that it is read-only": () => injected("EROFS"),
  "a real disk is read-only": () => mounted("read-only"),
};

for (const [what, disk] of Object.entries(READ_ONLY)) {
  const isReal = what.includes("real");
  test.skipIf(isReal && skipsAloud(what))(
    `${what}: the board starts all the same, serves its adapter, and refuses with a code what it cannot keep`,
    async () => {
      const { data, fault, spoil, mend } = await disk();
      const board = await victim(data === undefined ? {} : { data });
      const life = newLife();
      const all = await recordings("board-a", "train");
      const [probe] = await recordings("board-a", "test");
      const first = await board.start(fault);
      await bringByFolder(
        board,
        life,
        all.filter((_, at) => at % 2 === 0),
      );
      const learnt = await train(board, life);
      expect(learnt).not.toBeNull();
      expect(await first.stop()).toBe(0);

      await spoil();
      const second = await board.start(fault);
      expect((await board.status()).adapter.serving).toBe(learnt);
      await expectAnswer(board, probe!);
      await expectSamples(board, life);
      await expectRefused(board, await readFile(all[1]!.file));
      expect(await second.stop()).toBe(0);

      await mend();
      await board.start(fault);
      await bringByHttp(board, life, [all[1]!], true);
      await expectSamples(board, life);
      await expectRest(board);
    },
  );
}

/** What is not kept is not acknowledged. */
async function expectRefused({ client }: Victim, bytes: Uint8Array): Promise<void> {
  const refused = client.post("/v1/samples?name=x.wav&label=one", storedSchema, bytes);
  await expect(refused).rejects.toMatchObject({ code: "STORAGE_FAILED" });
}

function isMountable(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", tmpdir()], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function skipsAloud(what: string): boolean {
  if (canMount) return false;
  if (process.env.LICHEN_REQUIRE_SYSTEM === "1") throw new Error("a file system cannot be mounted here, and must be");
  console.warn(`Skipped: ${what} (mounting wants root).`);
  return true;
}
