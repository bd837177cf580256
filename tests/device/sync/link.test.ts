import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import type { Connection } from "../../../device/sync/connection.ts";
import { createLink, type Link } from "../../../device/sync/link.ts";

/** CONNACK packets, byte by byte: MQTT 3.1.1 §3.2, MQTT 5 §3.2. */
const WELCOME_311 = Buffer.from([0x20, 2, 0, 0]);
const NOT_AUTHORIZED_5 = Buffer.from([0x20, 3, 0, 0x87, 0]);

let server: Server | undefined;
let link: Link | undefined;
const sockets = new Set<Socket>();

afterEach(async () => {
  await link?.stop(async () => undefined);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A broker that answers each CONNECT, by its protocol level, with bytes, with silence, or by hanging up. */
async function brokerThat(answer: (level: number) => Buffer | "silence" | "hang up"): Promise<string> {
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (connect) => {
      const reply = answer(connect[connect.indexOf("MQTT") + 4] ?? 0);
      if (reply === "hang up") socket.destroy();
      else if (reply !== "silence") socket.write(reply);
    });
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const address = listening.address();
  return `mqtt://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}

function linkTo(broker: string, connectMs = 5000) {
  const up = vi.fn<(connection: Connection) => void>();
  const down = vi.fn<(error: { code: string }) => void>();
  link = createLink({
    options: () => ({
      broker,
      clientId: "test",
      timeoutMs: connectMs,
      keepaliveSeconds: 30,
      will: { topic: "will", payload: new Uint8Array() },
    }),
    backoff: { firstMs: 10, mostMs: 40 },
    leaveMs: 100,
    up,
    message: () => undefined,
    down,
    random: () => 0,
    nowMs: Date.now,
  });
  link.start();
  return { link, up, down };
}

test("a broker that hangs up on MQTT 5 is tried with 3.1.1", async () => {
  const { link, up } = linkTo(await brokerThat((level) => (level === 4 ? WELCOME_311 : "hang up")));
  await vi.waitFor(() => expect(up).toHaveBeenCalledOnce());
  expect(link.status()).toMatchObject({ connected: true, protocol: "3.1.1", failures: 0 });
});

test("a broker that knows nothing but refusal is asked again and again, and the status says so", async () => {
  const { link, down } = linkTo(await brokerThat(() => NOT_AUTHORIZED_5));
  await vi.waitFor(() => expect(down.mock.calls.length).toBeGreaterThan(2));
  expect(link.status()).toMatchObject({ connected: false, protocol: null, lastError: { code: "BROKER_REFUSED" } });
});

test("bytes that are no MQTT are a broker that cannot be reached", async () => {
  const { down } = linkTo(await brokerThat(() => Buffer.alloc(64, 0xff)));
  await vi.waitFor(() => expect(down.mock.calls.length).toBeGreaterThan(2));
  expect(down.mock.calls.map(([error]) => error.code)).not.toContain("BROKER_REFUSED");
});

test("a broker that accepts and then is silent is given up after the timeout, and tried again", async () => {
  const { link, down } = linkTo(await brokerThat(() => "silence"), 30);
  await vi.waitFor(() => expect(down.mock.calls.length).toBeGreaterThan(1));
  expect(link.status().lastError?.message).toContain("connack");
});

test("a link can be stopped while it connects, while it waits, and while nobody answers its farewell", async () => {
  const silent = linkTo(await brokerThat(() => "silence"));
  await silent.link.stop(async () => undefined);
  expect(silent.up).not.toHaveBeenCalled();

  const nobody = linkTo("mqtt://127.0.0.1:1");
  await vi.waitFor(() => expect(nobody.down).toHaveBeenCalled());
  await nobody.link.stop(async () => undefined);
  expect(nobody.link.status().lastError?.code).toBe("BROKER_UNREACHABLE");

  const mute = linkTo(await brokerThat((level) => (level === 4 ? WELCOME_311 : "hang up")));
  await vi.waitFor(() => expect(mute.up).toHaveBeenCalled());
  await mute.link.stop((connection) => connection.publish("farewell", new Uint8Array(), true));
  expect(mute.link.connection()).toBeUndefined();
});
