import { dirname } from "node:path";
import { Command, Option } from "commander";
import type { GetOptions, GetResult } from "../../models/get.ts";
import type { ListResult, ShowResult } from "../../models/list.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { interruptible } from "../interrupt.ts";
import { nextStep } from "../packaged.ts";
import { progressBar } from "../progress.ts";
import { bytes, facts, short, show, type Terminal, table, wrapped } from "../terminal.ts";

interface ModelsOptions {
  readonly cache?: string;
  readonly json?: true;
}

type Asked = ModelsOptions & Pick<GetOptions, "out" | "from" | "mirror" | "force">;

/** `lichen models`: base models, of the project and of others, and how they get here. */
export const addModels: AddCommand = (program, terminal) => {
  const models = new Command("models").description("base models: those that come along, and well-known ones to fetch");
  models.addCommand(listing(terminal), { isDefault: true });
  for (const command of [showing, getting]) models.addCommand(command(terminal));
  program.addCommand(models);
};

const cacheOption = () =>
  new Option("--cache <folder>", "where fetched models lie (default: lichen/models in $XDG_CACHE_HOME or ~/.cache)");

const cacheOf = async ({ cache }: ModelsOptions, { env }: Terminal): Promise<string> =>
  cache ?? (await import("../../models/cache.ts")).defaultCache(env);

const listing = (terminal: Terminal): Command =>
  new Command("list")
    .description("all of them, and which are here (also plain «lichen models»)")
    .addOption(cacheOption())
    .addOption(jsonOption())
    .action(async (options: ModelsOptions) => {
      const { listModels } = await import("../../models/list.ts");
      const result = await listModels(await cacheOf(options, terminal));
      show(terminal, options.json === true, result, readableList(result));
    });

const showing = (terminal: Terminal): Command =>
  new Command("show")
    .description("what the catalogue knows of a model")
    .argument("<name>", "as lichen models lists it")
    .addOption(cacheOption())
    .addOption(jsonOption())
    .action(async (name: string, options: ModelsOptions) => {
      const { showModel } = await import("../../models/list.ts");
      const result = await showModel(name, await cacheOf(options, terminal));
      show(terminal, options.json === true, result, readableCard(result));
    });

const getting = (terminal: Terminal): Command =>
  new Command("get")
    .description("fetch a model, verify it, and make a package of it for --model")
    .argument("<name>", "as lichen models lists it")
    .option("--out <folder>", "where the package goes (default: beside the file, in the cache)")
    .option("--force", "replace a package that lies there")
    .option("--from <file>", "the model's file, carried over from a machine with a network")
    .option("--mirror <address>", "a place that has the file under its name, instead of the catalogue's addresses")
    .addOption(cacheOption())
    .addOption(jsonOption())
    .action(async (name: string, { json, ...options }: Asked) => {
      const [{ getModel }, { nodeWorld }] = await Promise.all([
        import("../../models/get.ts"),
        import("../../models/world.ts"),
      ]);
      const cache = await cacheOf(options, terminal);
      const bar = progressBar(terminal);
      const kilobytes = (count: number) => Math.ceil(count / 1000);
      const progress = (done: number, of: number) =>
        bar.show({ phase: "fetching (kB)", done: kilobytes(done), total: kilobytes(of) });
      const work = (signal: AbortSignal) => getModel({ ...options, name, cache }, { progress, signal }, nodeWorld);
      const result = await interruptible(work).finally(bar.stop);
      show(terminal, json === true, result, readableGet(result));
    });

function readableList({ packages, catalogue, cache }: ListResult): string {
  const here = ({ package: made, file, fetchable }: ListResult["catalogue"][number]) =>
    made ? "package" : file ? "file" : fetchable ? "–" : "no address";
  return [
    table(
      ["come along", "size", "what"],
      packages.map((each) => [each.name, bytes(each.bytes), each.description]),
    ),
    table(
      ["to fetch", "size", "here", "licence", "what"],
      catalogue.map((each) => [each.name, bytes(each.bytes), here(each), each.licence, each.task]),
    ),
    // A path by itself, to be copied whole.
    [...packages.slice(0, 1).map(({ path }) => `come along in ${dirname(path)}`), `fetched into  ${cache}`].join("\n"),
    "lichen models get NAME fetches one; lichen models show NAME says more.",
  ].join("\n\n");
}

function readableCard(card: ShowResult): string {
  const { name, title, task, file, licence, source, input, labels, outputs, here } = card;
  const classes = Array.isArray(labels) ? labels : LABELS_IN[labels.in];
  return [
    facts([
      ["model", `${name}: ${title}`],
      ["task", task],
      ["licence", licence],
      ["file", `${file} (${bytes(card.bytes)})`],
      ["input", `${input.type}[${input.shape.join(", ")}]${input.layout ? `, ${input.layout}` : ""}`],
      ["preprocessing", card.preprocessing.kind],
      ["labels", typeof classes === "string" ? `${outputs}, ${classes}` : `${outputs}: ${classes.join(", ")}`],
      ...card.metrics.map(({ name: metric, value, on, source: by }) => [metric, `${value} on ${on} (${by})`] as const),
      ["here", here.package ? "as a package" : here.file ? "as a file" : "no"],
    ]),
    // Long words by themselves, to be copied whole.
    [
      ...((here.package ?? here.file) ? [`here   ${here.package ?? here.file}`] : []),
      `page   ${source}`,
      `sha256 ${card.sha256}`,
      ...wrapped(`(${card.sha256From})`, 73).map((line) => `       ${line}`),
      ...card.addresses,
    ].join("\n"),
    [card.noAddress ?? [], card.notes]
      .flat(2)
      .flatMap((note) => wrapped(note, 80))
      .join("\n"),
  ]
    .filter(Boolean)
    .join("\n\n");
}

const LABELS_IN = { metadata: "named in the file", nowhere: "without names" } as const;

function readableGet(result: GetResult): string {
  return [
    facts([
      ["model", result.name],
      ["verified", `${bytes(result.bytes)} of sha256 ${short(result.sha256)}`],
      ["from", FROM[result.from]],
    ]),
    `package ${result.package}`,
    result.notes.flatMap((note) => wrapped(`Note: ${note}`, 80)).join("\n"),
    `\n${nextStep(result.package)}`,
  ]
    .filter(Boolean)
    .join("\n");
}

const FROM = {
  cache: "here already",
  file: "the file that was brought",
  network: "the network",
} satisfies Record<GetResult["from"], string>;
