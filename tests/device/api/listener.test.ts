import { request } from "node:http";
import { connect } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { type HttpConfig, httpSchema } from "../../../device/api/config.ts";
import { httpListener, persistently } from "../../../device/api/listener.ts";
import { testClock } from "../clock.ts";
import { silent } from "../fixtures.ts";

const TOKEN = "correct horse battery";

async function listening(change: Partial<HttpConfig>, answer: (request: Request) => Promise<Response> = whole) {
  const listener = httpListener(httpSchema.parse({ port: 0, ...change }), answer);
  onTestFinished(() => listener.stop());
  await listener.start();
  const { port } = listener.address()!;
  return { port, ask: (path: string, options: Asked = {}) => ask(port, path, options) };
}

const whole = async (request: Request) =>
  Response.json({ path: new URL(request.url).pathname, bytes: (await request.arrayBuffer()).byteLength });

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
}

/** Not fetch: that one does not let a Host header through. */
const ask = (port: number, path: string, { method = "POST", headers = {}, body }: Asked) =>
  new Promise<{ status: number; headers: Record<string, unknown>; json: Record<string, unknown> }>(
    (resolve, reject) => {
      const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json: JSON.parse(text || "{}") }),
        );
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    },
  );

test("on loopback, without a token, files are taken in and inferred, and everything else is for the socket", async () => {
  const { ask } = await listening({});
  expect(await ask("/v1/infer", { body: Buffer.alloc(5) })).toMatchObject({ status: 200, json: { bytes: 5 } });
  expect(await ask("/v1/samples?label=one", { body: Buffer.alloc(7) })).toMatchObject({ json: { bytes: 7 } });
  expect((await ask("/v1/status", { method: "GET" })).status).toBe(200);
  for (const [method, path] of [
    ["POST", "/v1/rollback"],
    ["GET", "/v1/samples"],
    ["DELETE", "/v1/samples"],
    ["POST", "/v1//samples"],
  ] as const)
    expect(await ask(path, { method })).toMatchObject({ status: 403, json: { code: "UNAUTHORIZED" } });
});

test("a token opens everything, and nothing is open without it", async () => {
  const { ask } = await listening({ token: TOKEN });
  const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  expect(await ask("/v1/rollback", bearing(TOKEN))).toMatchObject({ status: 200, json: { path: "/v1/rollback" } });
  for (const headers of [
    {},
    bearing(`${TOKEN}x`),
    bearing(TOKEN.slice(1)),
    { headers: { authorization: `Basic ${TOKEN}` } },
  ]) {
    const refused = await ask("/v1/infer", headers);
    expect(refused).toMatchObject({
      status: 401,
      json: { code: "UNAUTHORIZED" },
      headers: { "www-authenticate": "Bearer" },
    });
  }
});

test("a page of another site is refused, whatever name it has for this machine", async () => {
  const { port, ask } = await listening({});
  const post = (headers: Record<string, string>) => ask("/v1/samples?label=one", { headers, body: Buffer.alloc(1) });
  expect((await post({ host: "evil.example" })).status).toBe(403);
  expect((await post({ host: `evil.example:${port}` })).status).toBe(403);
  expect((await post({ host: "127.0.0.1.evil.example" })).status).toBe(403);
  expect((await post({ origin: "http://evil.example" })).status).toBe(403);
  expect((await post({ origin: "null" })).status).toBe(403);
  for (const host of ["localhost", `localhost:${port}`, "127.0.0.1", `[::1]:${port}`])
    expect((await post({ host })).status).toBe(200);
  expect((await post({ host: "localhost", origin: "http://localhost" })).status).toBe(200);
});

test("a body over the bound is refused, announced or not", async () => {
  const { ask } = await listening({ maxBodyBytes: 1024 });
  const refused = { status: 413, json: { code: "BAD_REQUEST" } };
  expect(await ask("/v1/infer", { body: Buffer.alloc(1025), headers: { "content-length": "1025" } })).toMatchObject(
    refused,
  );
  expect(
    await ask("/v1/infer", { body: Buffer.alloc(1025), headers: { "transfer-encoding": "chunked" } }),
  ).toMatchObject(refused);
  expect(await ask("/v1/infer", { body: Buffer.alloc(1024) })).toMatchObject({ status: 200 });
  // As whoever sends while it still records does.
  expect(
    await ask("/v1/infer", { body: Buffer.alloc(1024), headers: { "transfer-encoding": "chunked" } }),
  ).toMatchObject({ status: 200 });
});

test("more uploads at once than allowed are sent away, and come in when there is room", async () => {
  const held: (() => void)[] = [];
  const { ask } = await listening({ maxUploads: 2 }, async () => {
    await new Promise<void>((resolve) => held.push(resolve));
    return Response.json({});
  });
  const both = [ask("/v1/infer", { body: Buffer.alloc(1) }), ask("/v1/infer", { body: Buffer.alloc(1) })];
  await vi.waitFor(() => expect(held).toHaveLength(2));
  const third = await ask("/v1/infer", { body: Buffer.alloc(1) });
  expect(third).toMatchObject({ status: 503, json: { code: "TOO_MANY_UPLOADS" }, headers: { "retry-after": "1" } });
  for (const release of held.splice(0)) release();
  await Promise.all(both);
  const fourth = ask("/v1/infer", { body: Buffer.alloc(1) });
  await vi.waitFor(() => expect(held).toHaveLength(1));
  held[0]!();
  expect((await fourth).status).toBe(200);
});

test.each([
  ["headers", "POST /v1/infer HTTP/1.1\r\nHost: localhost\r\nX-Slow: "],
  ["a body", "POST /v1/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"],
])("a client that is slow with %s is dropped, and its place is free again", async (_, beginning) => {
  const { port, ask } = await listening({ requestSeconds: 0.3, maxUploads: 1 });
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined);
  socket.write(beginning);
  const drip = setInterval(() => socket.writable && socket.write("a"), 50);
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  clearInterval(drip);
  await vi.waitFor(async () => expect((await ask("/v1/infer", { body: Buffer.alloc(1) })).status).toBe(200));
});

test("no more clients are connected than allowed", async () => {
  const { port } = await listening({ maxConnections: 3 });
  const sockets = Array.from({ length: 10 }, () => connect(port, "127.0.0.1"));
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  let dropped = 0;
  for (const socket of sockets) socket.on("error", () => undefined).on("close", () => dropped++);
  await vi.waitFor(() => expect(dropped).toBe(7));
});

test("a port that is taken is told by code, and a listener stops while somebody is connected", async () => {
  const { port } = await listening({});
  const second = httpListener(httpSchema.parse({ port }), whole);
  await expect(second.start()).rejects.toMatchObject({ code: "PORT_IN_USE", details: { at: `127.0.0.1:${port}` } });
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
});

test("an address that cannot be listened on yet is tried again, and does not keep a daemon from starting", async () => {
  const { port } = await listening({});
  const clock = testClock();
  const listener = persistently(httpListener(httpSchema.parse({ port }), whole), { clock, log: silent });
  await listener.start();
  expect(listener.address()).toBeUndefined();
  const free = persistently(httpListener(httpSchema.parse({ port: 0 }), whole), { clock, log: silent });
  onTestFinished(() => free.stop());
  await free.start();
  expect(free.address()?.port).toBeGreaterThan(0);
  await listener.stop();

  const other = httpListener(httpSchema.parse({ port: 0 }), whole);
  await other.start();
  const late = persistently(httpListener(httpSchema.parse({ port: other.address()!.port }), whole), {
    clock,
    log: silent,
  });
  onTestFinished(() => late.stop());
  await late.start();
  await other.stop();
  clock.pass(10_000);
  await vi.waitFor(() => expect(late.address()).toBeDefined());
});

test("an address that others can reach needs a token", () => {
  const accepts = (config: object) => httpSchema.safeParse({ port: 80, ...config }).success;
  for (const host of ["0.0.0.0", "::", "192.168.1.7", "board.local", "127.0.0.1.evil.example"]) {
    expect(accepts({ host })).toBe(false);
    expect(accepts({ host, token: TOKEN })).toBe(true);
    expect(accepts({ host, token: "short" })).toBe(false);
  }
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) expect(accepts({ host })).toBe(true);
});
