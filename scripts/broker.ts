import { createServer, type Socket } from "node:net";
import { Aedes } from "aedes";

/** A broker for the demo and the tests: MQTT 3.1.1, on loopback only, everything in memory. */
export interface Broker {
  readonly url: string;
  readonly port: number;
  /** Bytes from and to all clients since the start. */
  traffic(): { received: number; sent: number };
  stop(): Promise<void>;
}

/** @param port 0 takes a free one.  Rejects when the port is taken. */
export async function startBroker({ port }: { port: number }): Promise<Broker> {
  const aedes = await Aedes.createBroker({ maxClientsIdLength: 200 });
  const open = new Set<Socket>();
  const past = { received: 0, sent: 0 };
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    open.add(socket);
    socket.on("close", () => {
      open.delete(socket);
      past.received += socket.bytesRead;
      past.sent += socket.bytesWritten;
    });
    aedes.handle(socket);
  });
  // What goes wrong with one client is that client's business.
  aedes.on("clientError", () => undefined);
  aedes.on("connectionError", () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the broker listens on no port");
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    port: address.port,
    traffic() {
      const live = [...open];
      return {
        received: live.reduce((sum, socket) => sum + socket.bytesRead, past.received),
        sent: live.reduce((sum, socket) => sum + socket.bytesWritten, past.sent),
      };
    },
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
    },
  };
}
