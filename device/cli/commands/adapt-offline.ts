import { Option } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import type { OfflineAdaptOptions } from "../../offline/adapt.ts";
import { progressBar } from "../progress.ts";
import { count, learningRate, list, number, sizeInBytes } from "../quantities.ts";
import { bytes, facts, grouped, percent, short, show, type Terminal } from "../terminal.ts";

/** Handed on as they are. */
const PASSED_ON = [
  "val",
  "start",
  "targets",
  "newClasses",
  "epochs",
  "batch",
  "views",
  "cache",
  "seed",
  "threads",
] as const;

type PassedOn = Pick<OfflineAdaptOptions, (typeof PASSED_ON)[number]>;

/** The options of `lichen adapt --model`, as commander hands them over. */
export interface OfflineCommandOptions extends PassedOn {
  readonly json?: true;
  readonly model?: string;
  readonly data?: string;
  readonly out?: string;
  readonly method?: string;
  readonly lr?: number | "auto";
  readonly cacheSize?: number;
}

export const offlineAdaptOptions = (): Option[] => [
  new Option("--model <folder>", "offline: the model package; no daemon is asked"),
  new Option("--data <folder>", "offline: labelled samples, one folder a class"),
  new Option("--val <folder>", "offline: held-out samples; else a part of --data is held out"),
  new Option("--out <file>", "offline: where the adapter goes"),
  new Option("--start <file>", "offline: an adapter to go on from"),
  new Option("--method <method>", "offline: what to train, such as bias+scale or lora:rank=8").default("head+bias"),
  new Option(
    "--targets <patterns>",
    "offline: layers to train, with commas between; «*» stands for anything",
  ).argParser(list),
  new Option("--new-classes", "offline: folders may name classes that the model does not know"),
  new Option("--epochs <n>", "offline: passes over the samples").argParser(count),
  new Option("--batch <n>", "offline: samples a step").argParser(count),
  new Option("--lr <rate>", "offline: learning rate, or auto").argParser(learningRate),
  new Option("--views <n>", "offline: augmented views of each sample").argParser(count),
  new Option("--cache <folder>", "offline: keep activations there instead of in memory"),
  new Option("--cache-size <size>", "offline: at most so much (default 4GiB)").argParser(sizeInBytes),
  new Option("--seed <n>", "offline: fixes every random choice").argParser(number),
  new Option("--threads <n>", "offline: threads (default 1)").argParser(count),
];

/** Trains and writes an adapter; the exit code is 0 whatever the gate says of it, since the file is there to be looked at. */
export async function adaptOffline(options: OfflineCommandOptions, terminal: Terminal): Promise<void> {
  const { model, data, out, method, lr, cacheSize } = options;
  const passedOn = PASSED_ON.filter((key) => options[key] !== undefined).map((key) => [key, options[key]] as const);
  const { runOfflineAdapt } = await import("../../offline/adapt.ts");
  const bar = progressBar(terminal);
  const result = await runOfflineAdapt(
    {
      model: given("--model", model),
      data: given("--data", data),
      out: given("--out", out),
      method: given("--method", method),
      ...(Object.fromEntries(passedOn) as PassedOn),
      ...(lr !== undefined && { learningRate: lr }),
      ...(cacheSize !== undefined && { cacheBytes: cacheSize }),
    },
    bar.show,
  ).finally(bar.stop);
  const readable = facts([
    ["adapter", `${result.out} (${short(result.sha256)}, ${bytes(result.adapterBytes)})`],
    ["gate", `${result.gate.accepted ? "accepted" : "refused"}: ${result.gate.explanation}`],
    ["trained", `${result.method}, ${grouped(result.trainableParameters)} parameters, ${result.epochs} epochs`],
    ["held out", `${percent(result.before.accuracy)} → ${percent(result.after.accuracy)}`],
    ["seconds", `cache ${result.seconds.cache.toFixed(2)}, train ${result.seconds.train.toFixed(2)}`],
  ]);
  show(terminal, options.json === true, result, readable);
}

function given(name: string, value: string | undefined): string {
  if (value === undefined)
    throw new LichenError("BAD_ARGUMENT", { at: "lichen adapt --model", found: "no value", wanted: name });
  return value;
}
