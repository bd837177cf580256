import type { Server } from "node:http";

/** Resolves when nobody is connected any more: whoever still is, is hung up on. A server that does not listen is closed already. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
