import { Command } from "commander";
import type { OfflineImportOptions, OfflineImportResult } from "../../offline/import.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { interruptible } from "../interrupt.ts";
import { type OptionRow, optionsUnder, renamed } from "../options.ts";
import { FORCE_OPTION, nextStep, REHEARSAL_OPTIONS, toKnow } from "../packaged.ts";
import { preprocessed } from "../preprocessed.ts";
import { count, dimensions, numbers } from "../quantities.ts";
import { bytes, facts, grouped, percent, show } from "../terminal.ts";

/** Of the engine's tables, which would bring ONNX Runtime along for whoever only asks for help; a test compares. */
export const LAYOUTS = ["nchw", "nhwc"] as const;
export const TARGETS = ["x64", "arm64"] as const;

export const OPTIONS: Readonly<Record<string, readonly OptionRow[]>> = {
  "What it takes in:": [
    ["--mean <numbers>", "features = (pixel 0-255 - mean) / std; one number, or one a channel", numbers],
    ["--std <numbers>", "as --mean; with every std below 1, both are for pixels from 0 to 1", numbers],
    ["--sample-rate <hertz>", "of a model that takes in the samples of a sound", count],
    ["--preprocessing <file>", "JSON, as a card has it: for what is neither picture nor waveform"],
    ["--layout <layout>", "whether channels come first or last (default: found)", LAYOUTS],
    ["--size <size>", "of an input that leaves it open, such as 224x224 or 16000", dimensions],
  ],
  "What it answers:": [
    ["--labels <labels>", "a file with one a line or a JSON array, or cat,dog"],
    ["--output <name>", "any value of the model (default: its first output)"],
  ],
  "What others should know of it:": [
    ["--id <id>", "short name (default: from the file's)"],
    ["--model-version <version>", "(default: the file's, or 1)"],
    ["--description <text>", "a sentence"],
    ["--licence <licence>", "such as Apache-2.0"],
    ["--card <file>", "a card of the catalogue, for all that is not said here"],
  ],
  "What it becomes:": [
    ...REHEARSAL_OPTIONS,
    ["--target <target>", "which integer kernels it is for (default x64)", TARGETS],
    FORCE_OPTION,
  ],
};

/** Options whose names the work knows otherwise. `--version` is the program's own. */
export const NAMES = { sampleRate: "sampleRateHz", modelVersion: "version" };

/** `lichen import`: somebody's ONNX or TFLite file as a model package. */
export const addImport: AddCommand = (program, terminal) => {
  const command = new Command("import")
    .description("make a model package of an ONNX or TFLite file")
    .argument("<file>", ".onnx or .tflite")
    .requiredOption("--out <folder>", "where the package goes");
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  command
    .addOption(jsonOption())
    .action(async (file: string, { json, ...given }: Record<string, unknown> & { json?: true }) => {
      const { runOfflineImport } = await import("../../offline/import.ts");
      const options = renamed<OfflineImportOptions>(given, NAMES);
      const result = await interruptible((signal) => runOfflineImport(file, options, signal));
      show(terminal, json === true, result, readable(result));
    });
  program.addCommand(command);
};

function readable(result: OfflineImportResult): string {
  const { source, out, card, rehearsal, notes } = result;
  const summary = facts([
    ["came in", `${source.file} (${source.format === "tflite" ? "TFLite" : "ONNX"}, ${bytes(source.bytes)})`],
    ["package", `${out}: ${card.id} ${card.version}, ${card.licence === "unknown" ? "licence unknown" : card.licence}`],
    ["network", network(result)],
    ["hears or sees", preprocessed(card.preprocessing)],
    ["labels", `${card.labels.length}: ${some(card.labels)}`],
    [
      "rehearsal",
      rehearsal ? `${rehearsal.examples} examples of ${rehearsal.classes} classes` : "none: see --rehearsal",
    ],
    ["can train", trainable(result)],
    ["checked", "it runs, and answers to two samples at once as to each alone"],
  ]);
  return [summary, ...toKnow(notes), nextStep(out)].join("\n\n");
}

function network({
  parameters,
  layers,
  precision,
  multiplyAccumulates: total,
  bytes: size,
}: OfflineImportResult): string {
  const shares = Object.entries(precision).map(([kind, { multiplyAccumulates }]) =>
    total ? `${percent(multiplyAccumulates / total)} of its work in ${kind}` : kind,
  );
  return `${grouped(parameters)} parameters in ${layers} layers, ${bytes(size)}; ${shares.join(", ")}`;
}

function trainable({ methods }: OfflineImportResult): string {
  const names = methods.flatMap(({ method, trains }) => (trains ? [method] : []));
  const reasons = [...new Set(methods.flatMap((each) => (each.trains ? [] : [each.reason])))];
  return names.length > 0 ? names.join(", ") : `nothing: ${reasons.join(" ")}`;
}

/** Labels may have commas in them. */
const some = (labels: readonly string[]): string => `${labels.slice(0, 6).join("; ")}${labels.length > 6 ? "; …" : ""}`;
