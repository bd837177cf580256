import { spawnSync } from "node:child_process";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import * as z from "zod";
import { socketServer } from "../../../device/api/socket.ts";
import { createClient } from "../../../device/cli/client.ts";
import { temporaryFolder } from "../fixtures.ts";

const named = z.object({ name: z.string() });

async function serving(path: string, name: string) {
  const server = socketServer(path, () => Response.json({ name }));
  onTestFinished(() => server.stop());
  await server.start();
  return server;
}

test("a client is answered over the socket, which only user and group may use", async () => {
  const path = join(await temporaryFolder(), "new folder", "s.sock");
  await serving(path, "first");
  expect(await createClient(path).get("/", named)).toEqual({ name: "first" });
  expect((await stat(path)).mode & 0o777).toBe(0o660);
});

test("a socket that somebody answers on is never taken over", async () => {
  const path = join(await temporaryFolder(), "s.sock");
  await serving(path, "first");
  await expect(serving(path, "second")).rejects.toMatchObject({ code: "SOCKET_IN_USE" });
  expect(await createClient(path).get("/", named)).toEqual({ name: "first" });
});

test("the socket of a killed daemon is replaced", async () => {
  const path = join(await temporaryFolder(), "s.sock");
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect((await stat(path)).isSocket()).toBe(true);
  await serving(path, "second");
  expect(await createClient(path).get("/", named)).toEqual({ name: "second" });
});

test("a file that is no socket is left alone", async () => {
  const path = join(await temporaryFolder(), "s.sock");
  await writeFile(path, "mine");
  await expect(serving(path, "x")).rejects.toMatchObject({ code: "SOCKET_IN_USE" });
});

test("a path longer than the system allows is refused with both lengths", async () => {
  const path = `/tmp/${"x".repeat(103)}`;
  await expect(serving(path, "x")).rejects.toMatchObject({
    code: "SOCKET_PATH_TOO_LONG",
    details: { found: "108 bytes", wanted: "107" },
  });
});

test("where no daemon answers, the client says so", async () => {
  const path = join(await temporaryFolder(), "none.sock");
  await expect(createClient(path).get("/", named)).rejects.toMatchObject({ code: "DAEMON_NOT_REACHABLE" });
});

test("a daemon that takes the connection and says nothing is told as one that does not answer", async () => {
  const path = join(await temporaryFolder(), "s.sock");
  const server = socketServer(path, () => new Promise<Response>(() => {}));
  onTestFinished(() => server.stop());
  await server.start();
  const error = { code: "DAEMON_NOT_REACHABLE", details: { found: "no answer in 0.05 s" } };
  await expect(createClient(path, undefined, 50).get("/", named)).rejects.toMatchObject(error);
});
