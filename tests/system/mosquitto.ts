import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../scripts/free-port.ts";

/** Where Debian puts it; `LICHEN_MOSQUITTO` names another place. */
const PROGRAM = process.env.LICHEN_MOSQUITTO ?? "/usr/sbin/mosquitto";

export const mosquittoIsHere = (): boolean => existsSync(PROGRAM);

export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A real Mosquitto on loopback, with everything in memory. @param port 0 takes a free one. */
export async function startMosquitto({ port }: { port: number }): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), "lichen mosquitto "));
  const chosen = port === 0 ? await freePort() : port;
  const config = join(folder, "mosquitto.conf");
  await writeFile(config, `listener ${chosen} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n`);
  const child = spawn(PROGRAM, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (text) => said.push(String(text)));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await listening(chosen, child, said);
  return {
    url: `mqtt://127.0.0.1:${chosen}`,
    port: chosen,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Mosquitto does not say when it is ready to those who do not read its log's wording; a connection does. */
async function listening(port: number, child: ChildProcess, said: readonly string[]): Promise<void> {
  while (!(await accepts(port))) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`mosquitto ended: ${said.join("")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
