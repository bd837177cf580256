import { LichenError } from "../../../runtime/errors.ts";
import { useSchema } from "../../api/schemas.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { short, show } from "../terminal.ts";

/** `lichen use`: what a person wants served, against rounds, fleet and reverts, until they let go of it. */
export const addUse: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("use", "serve an adapter of this board and nothing else, until lichen use --auto")
      .argument("[adapter]", "its sha256 or the beginning of it, or base")
      .option("--auto", "let go of it: what is learnt or comes from the fleet may serve again")
      .action(async (name: string | undefined, options: OnlineOptions & { auto?: true }) => {
        if ((name === undefined) !== (options.auto === true)) {
          throw new LichenError("BAD_ARGUMENT", { at: "use", wanted: "an adapter, base, or --auto" });
        }
        const adapter = encodeURIComponent(name ?? "auto");
        const answer = await clientOf(options).post(`/v1/use?adapter=${adapter}`, useSchema);
        const pinned = answer.pinned ? "pinned" : "not pinned";
        show(terminal, options.json === true, answer, `serving ${short(answer.serving)}, ${pinned}`);
      }),
  );
