import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stopped } from "../../daemon.ts";
import { median } from "../tables.ts";
import { startBoard } from "./board.ts";
import { type Resident, resident, usage } from "./procfs.ts";

export interface Footprint {
  daemon: Resident;
  bare: Resident;
  /** The daemon once somebody has asked it something, over its socket. */
  asked: Resident;
  firstAnswerMs: number;
  /** Of one core, 0 to 1. */
  idleCpu: number;
  idleWrittenBytes: number;
  idleSeconds: number;
}

export interface FootprintOptions {
  program: string;
  /** A package, and a sample for it. */
  model: string;
  sample: string;
  folder: string;
  starts: number;
  /** Until memory is what it stays, and then for so long again. */
  idleSeconds: number;
}

/** A daemon and bare Node side by side: each has inferred once, then both are left alone. */
export async function footprint(options: FootprintOptions): Promise<Footprint> {
  const { program, model, sample, folder, starts, idleSeconds } = options;
  const board = () => startBoard({ program, model, first: sample, folder: path.join(folder, "started") });
  const times: number[] = [];
  // The first start makes folders and state files; it is measured like the others.
  for (let start = 0; start < starts; start++) {
    const started = await board();
    times.push(started.firstAnswerMs);
    await started.stop();
  }
  const script = fileURLToPath(new URL("./bare.js", import.meta.url));
  const bare = spawn(process.execPath, [script, path.join(model, "model.onnx")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(bare.stdout, "data");
  const daemon = await startBoard({ program, model, folder: path.join(folder, "idle") });
  try {
    await daemon.inferInFolder(sample);
    await pause(idleSeconds * 1000);
    const before = usage(daemon.pid);
    await pause(idleSeconds * 1000);
    const after = usage(daemon.pid);
    const memory = { daemon: resident(daemon.pid), bare: resident(bare.pid!) };
    await daemon.infer(sample);
    await pause((idleSeconds * 1000) / 2);
    return {
      ...memory,
      asked: resident(daemon.pid),
      firstAnswerMs: median(times),
      idleCpu: (after.cpuSeconds - before.cpuSeconds) / idleSeconds,
      idleWrittenBytes: after.writtenBytes - before.writtenBytes,
      idleSeconds,
    };
  } finally {
    await stopped(bare);
    await daemon.stop();
  }
}
