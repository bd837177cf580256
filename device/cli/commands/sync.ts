import { statusSchema } from "../../api/schemas.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { syncRows } from "../sync-status.ts";
import { facts, show } from "../terminal.ts";

/** `lichen sync`: how the board stands with its fleet, and with whoever listens to its results. */
export const addSync: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("sync", "the fleet: connection, offers, what is on its way").action(
      async (options: OnlineOptions) => {
        const { sync, results } = await clientOf(options).get("/v1/status", statusSchema);
        const told = results === null ? [] : [["results to", resultsInWords(results)] as const];
        const rows =
          sync === null ? [["fleet", "none: set mqtt in the configuration to join one"] as const] : syncRows(sync);
        show(terminal, options.json === true, { schema: "lichen/sync/1", sync, results }, facts([...rows, ...told]));
      },
    ),
  );

const resultsInWords = ({ connected, waiting, dropped, lastError }: Readonly<Record<string, unknown>>): string =>
  [
    connected ? "connected" : "not connected",
    `${waiting} waiting`,
    `${dropped} dropped`,
    ...(connected || !lastError ? [] : [String((lastError as { code?: unknown }).code)]),
  ].join(", ");
