import { writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { LichenError } from "../../../runtime/errors.ts";
import { createClient } from "../client.ts";
import { type AddCommand, type OnlineOptions, serviceCommand } from "../command.ts";
import { bytes, show } from "../terminal.ts";

interface BugreportOptions extends OnlineOptions {
  readonly out?: string;
  readonly config?: string;
  readonly force?: true;
}

/** `lichen bugreport`: one file for whoever looks into a problem elsewhere. */
export const addBugreport: AddCommand = (program, terminal) =>
  program.addCommand(
    serviceCommand("bugreport", "pack version, configuration, state and logs, without samples and secrets")
      .option("--out <file>", "the archive (default: lichen-bugreport-<time>.tar.gz)")
      .option("--config <file>", "the configuration, where no daemon tells")
      .option("--force", "replace a file that is there already")
      .action(async ({ out, config, force, json, socket }: BugreportOptions) => {
        const [{ gather, nodeProbes }, { collect }, { packReport }] = await Promise.all([
          import("../doctor/probe.ts"),
          import("../bugreport/collect.ts"),
          import("../bugreport/archive.ts"),
        ]);
        const client = (model?: string) => createClient(socket, model);
        const nowMs = Date.now();
        const time = new Date(nowMs).toISOString().slice(0, 16).replaceAll(/[-:]/g, "").replace("T", "-");
        const file = resolve(out ?? `lichen-bugreport-${time}.tar.gz`);
        const report = await collect({ client, facts: await gather(nodeProbes(client), config), nowMs });
        const archive = await packReport(report, basename(file).replace(/\.(tar\.gz|tgz)$/, ""), nowMs);
        await writeFile(file, archive, { flag: force ? "w" : "wx", mode: 0o600 }).catch((cause) => {
          throw new LichenError("BAD_ARGUMENT", {
            at: file,
            found: cause.code,
            wanted: "a new file that can be written (or --force)",
            cause,
          });
        });
        const contents = Object.keys(report);
        const answer = { schema: "lichen/bugreport/1", file, bytes: archive.length, contents };
        show(
          terminal,
          json === true,
          answer,
          `wrote ${file}\n${bytes(archive.length)}, ${contents.length} files; README.txt in it says what each is`,
        );
      }),
  );
