import { adaptersSchema, type Shelved } from "../../api/schemas.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { bytes, gain, short, show, table } from "../terminal.ts";

export const addAdapters: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("adapters", "the adapter that serves, the one before, and the refused").action(
      async (options: OnlineOptions) => {
        const answer = await clientOf(options).get("/v1/adapters", adaptersSchema);
        const rows = [
          row("current", answer.current),
          row("previous", answer.previous),
          ...(answer.good ? [row("good", answer.good)] : []),
          ...(answer.pinned
            ? [["pinned", answer.pinned.adapter === null ? "base" : short(answer.pinned.adapter)]]
            : []),
          ...answer.refused.map(({ sha256, reason }) => ["refused", short(sha256), "", "", "", reason]),
        ];
        show(
          terminal,
          options.json === true,
          answer,
          table(["slot", "adapter", "method", "size", "from", "accuracy or reason"], rows),
        );
      },
    ),
  );

function row(slot: string, adapter: Shelved | null): string[] {
  if (adapter === null) return [slot, "base", "", "", "", ""];
  const accuracy = gain(adapter.metrics, "heldOut");
  const size = adapter.bytes === null ? "" : bytes(adapter.bytes);
  return [slot, short(adapter.sha256), adapter.method ?? "", size, adapter.board ?? "", accuracy];
}
