import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { Command, Option } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import { importedSchema, purgedSchema, type SamplesAnswer, samplesSchema } from "../../api/sample-schemas.ts";
import type { Selector } from "../../samples/selector.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { durationInSeconds } from "../quantities.ts";
import { bytes, percent, short, show, type Terminal, table, wrapped } from "../terminal.ts";

/** `lichen samples`: what is kept on this board, and how it leaves. */
export const addSamples: AddCommand = (program, terminal) => {
  const samples = new Command("samples").description("samples on this board: look, export, import, erase");
  samples.addCommand(listing(terminal), { isDefault: true });
  for (const command of [exporting, importing, purging]) samples.addCommand(command(terminal));
  program.addCommand(samples);
};

const listing = (terminal: Terminal): Command =>
  onlineCommand("list", "by class, or one by one (also plain «lichen samples»)")
    .option("--each", "one by one, the newest first")
    .action(async (options: OnlineOptions & { each?: true }) => {
      const answer = await clientOf(options).get("/v1/samples", samplesSchema);
      show(terminal, options.json === true, answer, options.each ? oneByOne(answer) : byClass(answer));
    });

const exporting = (terminal: Terminal): Command =>
  selecting(onlineCommand("export", "copy samples into a tar archive, with all that is known of them"))
    .requiredOption("--out <file>", "the archive; - is stdout")
    .action(async ({ out, ...options }: OnlineOptions & Selecting & { out: string }) => {
      const archive = await clientOf(options).download("/v1/samples/export", selectorOf(options, { all: true }));
      if (out === "-") return pipeline(archive, terminal.out, { end: false });
      const part = `${out}.part`;
      try {
        await pipeline(archive, createWriteStream(part));
        await rename(part, out);
      } catch (cause) {
        await rm(part, { force: true });
        throw new LichenError("FETCH_FAILED", {
          at: out,
          found: (cause as Error).message,
          todo: "run it again",
          cause,
        });
      }
      show(terminal, options.json === true, { schema: "lichen/exported/1", file: out }, `exported into ${out}`);
    });

const importing = (terminal: Terminal): Command =>
  onlineCommand("import", "take in the samples of an archive, with their labels")
    .argument("<file>", "as lichen samples export makes it")
    .action(async (file: string, options: OnlineOptions) => {
      const archive = createReadStream(file);
      await new Promise((opened, failed) => archive.once("open", opened).once("error", failed)).catch((cause) => {
        throw new LichenError("BAD_ARGUMENT", { at: file, found: cause.code, wanted: "a readable file", cause });
      });
      const answer = await clientOf(options).post("/v1/samples/import", importedSchema, archive);
      const { stored, known, relabelled, refused } = answer;
      const readable = [
        `${stored} stored, ${relabelled} with another label now, ${known} known already, ${refused.length} refused`,
        ...refused.flatMap(({ file: name, error }) => wrapped(`${name}: ${error.message}`, 80)),
      ];
      show(terminal, options.json === true, answer, readable.join("\n"));
    });

const purging = (terminal: Terminal): Command =>
  selecting(onlineCommand("purge", "erase samples, and all that rounds keep of them"))
    .option("--all", "every sample")
    .option("--yes", "erase; without it, only say what would go")
    .action(async ({ yes, ...options }: OnlineOptions & Selecting & { yes?: true }) => {
      const body = { select: selectorOf(options), dryRun: yes !== true };
      const answer = await clientOf(options).post("/v1/samples/purge", purgedSchema, body);
      const what = `${answer.erased} samples, ${bytes(answer.bytes)}`;
      const readable = answer.dryRun
        ? [`would erase ${what}; with --yes it does`]
        : [`erased ${what}`, ...answer.remarks.flatMap((remark) => wrapped(`Note: ${remark}`, 80))];
      show(terminal, options.json === true, answer, readable.join("\n"));
    });

interface Selecting {
  readonly all?: true;
  readonly class?: string[];
  readonly unlabelled?: true;
  readonly olderThan?: number;
  readonly sample?: string[];
}

const selecting = (command: Command): Command =>
  command
    .option("--class <label...>", "of these classes")
    .option("--unlabelled", "without a label")
    .addOption(new Option("--older-than <age>", "such as 12h, by the board's clock").argParser(durationInSeconds))
    .option("--sample <sha256...>", "by hash, or the beginning of it");

/** @param otherwise what is meant where nothing is said. @throws BAD_ARGUMENT where nothing is said and nothing is meant by it */
function selectorOf(options: Selecting, otherwise?: Selector): Selector {
  const labels = [...(options.class ?? []), ...(options.unlabelled ? [null] : [])];
  const selector: Selector = {
    ...(options.all && { all: true }),
    ...(labels.length > 0 && { labels }),
    ...(options.olderThan !== undefined && { olderThanSeconds: options.olderThan }),
    ...(options.sample && { sha256s: options.sample }),
  };
  const said = Object.keys(selector).length;
  if (said > 1 && options.all) throw unclear("--all and something else", "one or the other");
  if (said > 0) return selector;
  if (otherwise) return otherwise;
  throw unclear("nothing", "--all, --class, --unlabelled, --older-than or --sample");
}

const unclear = (found: string, wanted: string) =>
  new LichenError("BAD_ARGUMENT", { at: "which samples", found, wanted, todo: "say which samples are meant" });

function byClass({ samples, unlabelled }: SamplesAnswer): string {
  const size = (of: readonly { readonly bytes: number }[]) => bytes(of.reduce((sum, sample) => sum + sample.bytes, 0));
  const rows = [...new Set(samples.map(({ label }) => label))].map((label) => {
    const ofClass = samples.filter((sample) => sample.label === label);
    return [label, ofClass.length, ofClass.filter((sample) => sample.new).length, size(ofClass)];
  });
  const rest = unlabelled.length > 0 ? [["(no label)", unlabelled.length, 0, size(unlabelled)]] : [];
  return table(["class", "samples", "new", "size"], [...rows, ...rest]);
}

function oneByOne({ samples, unlabelled }: SamplesAnswer): string {
  const all = [...samples, ...unlabelled.map((sample) => ({ ...sample, label: "–" }))];
  const rows = all
    .sort((a, b) => (a.arrivedAt < b.arrivedAt ? 1 : -1))
    .map(({ sha256, label, origin, source, arrivedAt, prediction }) => [
      short(sha256),
      arrivedAt.slice(0, 19),
      label,
      origin ?? "–",
      source ?? "–",
      prediction === null ? "" : `${prediction.label} ${percent(prediction.confidence)}`,
    ]);
  return table(["sample", "came (UTC)", "class", "said by", "source", "model said"], rows);
}
