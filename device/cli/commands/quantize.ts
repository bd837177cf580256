import { Command } from "commander";
import type { OfflineQuantizeOptions, OfflineQuantizeResult } from "../../offline/quantize.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { interruptible } from "../interrupt.ts";
import { type OptionRow, optionsUnder, renamed } from "../options.ts";
import { FORCE_OPTION, nextStep, REHEARSAL_OPTIONS, toKnow } from "../packaged.ts";
import { progressBar } from "../progress.ts";
import { count, list } from "../quantities.ts";
import { bytes, facts, percent, show, table } from "../terminal.ts";
import { OPTIONS as IMPORT_OPTIONS, NAMES, TARGETS } from "./import.ts";

/** Of the engine's table, which would bring ONNX Runtime along for whoever only asks for help; a test compares. */
export const METHODS = ["auto", "minmax", "percentile", "entropy"] as const;

export const OPTIONS: Readonly<Record<string, readonly OptionRow[]>> = {
  "How it is quantized:": [
    ["--method <method>", "how ranges follow from samples (default auto: the nearest to float)", METHODS],
    ["--samples <n>", "calibration samples, from all over the folder (default 200)", count],
    ["--no-equalize", "leave channels as they are; else equalized where that is nearer"],
    ["--no-bias-correction", "leave biases as they are; else corrected where that is nearer"],
    ["--float <patterns>", "nodes that stay in float, with commas between; «*» stands for anything", list],
    ["--target <target>", "x64: uint8 activations (default); arm64: int8 ones", TARGETS],
    ["--full-range", "8-bit weights on x64 too, where all machines have VNNI; else 7 bits"],
  ],
  "What is measured:": [
    ["--val <folder>", "labelled samples; else what calibration leaves over"],
    ["--threads <n>", "threads (default 1)", count],
  ],
  "What comes with it:": [...REHEARSAL_OPTIONS, FORCE_OPTION],
  "What it takes in, if it is no package:": IMPORT_OPTIONS["What it takes in:"]!,
  "What it answers:": IMPORT_OPTIONS["What it answers:"]!,
  "What others should know of it:": IMPORT_OPTIONS["What others should know of it:"]!,
};

/** `lichen quantize`: a float model as an int8 package. */
export const addQuantize: AddCommand = (program, terminal) => {
  const command = new Command("quantize")
    .description("make an int8 package of a float model, from calibration samples")
    .argument("<model>", ".onnx or .tflite, or a package folder")
    .requiredOption("--calibration <folder>", "samples as the model will meet them; labels do no harm")
    .requiredOption("--out <folder>", "where the package goes");
  for (const option of optionsUnder(OPTIONS)) command.addOption(option);
  command
    .addOption(jsonOption())
    .action(async (model: string, { json, ...given }: Record<string, unknown> & { json?: true }) => {
      const { runOfflineQuantize } = await import("../../offline/quantize.ts");
      const options = renamed<OfflineQuantizeOptions>(given, NAMES);
      const bar = progressBar(terminal);
      const result = await interruptible((signal) =>
        runOfflineQuantize(model, options, ({ phase, ...rest }) => bar.show({ phase: PHASES[phase], ...rest }), signal),
      ).finally(bar.stop);
      show(terminal, json === true, result, readable(result));
    });
  program.addCommand(command);
};

const PHASES = {
  calibrate: "calibrating",
  choose: "choosing",
  correct: "correcting biases",
  measure: "measuring",
} as const;

/** Rows of the table, and names in a list; --json has all. */
const SHOWN = 8;
const COLUMNS = ["layer", "operator", "by itself", "with all before it"] as const;

export function readable(result: OfflineQuantizeResult): string {
  const { model, out, card, report, accuracy, rehearsal, notes } = result;
  const worst = report.layers.toSorted((a, b) => a.accumulated - b.accumulated).slice(0, SHOWN);
  const room = 80 - [...COLUMNS.slice(2), longest(worst.map(({ operator }) => operator))].join("  ").length - 2;
  const rows = worst.map(({ name, operator, local, accumulated }) => [
    ending(name, room),
    operator,
    local === null ? "–" : local.toFixed(1),
    accumulated.toFixed(1),
  ]);
  return [
    facts([
      ["model", model],
      ["package", `${out}: ${card.id} ${card.version}`],
      ["size", `${bytes(report.bytes.before)} → ${bytes(report.bytes.after)}`],
      ["accuracy", accuracy ? accuracyIn(accuracy) : "not measured: no samples with labels of the model (--val)"],
      ["answers", `${report.outputDecibels.toFixed(1)} dB above the noise (20 dB more: a tenth of it)`],
      ["ranges", rangesIn(report)],
      ["equalized", report.equalizedPairs > 0 ? `${report.equalizedPairs} pairs of layers` : "nothing"],
      ["biases", report.biasesCorrected ? "corrected" : "as they were"],
      ["integers", integersIn(report)],
      ["in float", floatIn(report)],
      ...(rehearsal ? [["rehearsal", `${rehearsal.examples} examples of ${rehearsal.classes} classes`] as const] : []),
    ]),
    `signal above noise in dB, the worst of ${report.layers.length} layers:`,
    table(COLUMNS, rows),
    ...toKnow([...notes, ...advice(report)]),
    nextStep(out),
  ].join("\n\n");
}

/** Below this, answers differ in more than close calls. */
const NOISY_DB = 20;

const advice = ({ outputDecibels, weightLimit }: Report): string[] =>
  outputDecibels < NOISY_DB && weightLimit < 127
    ? [
        `the answers are noisy: weights of 8 bits help (--full-range where every board has VNNI, or --target arm64), and so may --float with the worst layers`,
      ]
    : [];

/** What `accuracy.from` means; the keys are the schema's. */
const FROM = {
  val: "of --val",
  unused: "that calibration left over",
  calibration: "that it was calibrated with",
} as const;

const accuracyIn = ({ float, int8, samples, from }: NonNullable<OfflineQuantizeResult["accuracy"]>): string =>
  `${percent(float)} in float, ${percent(int8)} in int8, of ${samples} samples ${FROM[from]}`;

type Report = OfflineQuantizeResult["report"];

function rangesIn({ method, samples, candidates }: Report): string {
  const seen = `${method}, of ${samples.calibration} samples`;
  if (candidates.length < 2) return seen;
  const tried = candidates.map(
    (each) => `${each.method}${each.equalized ? " equalized" : ""} ${each.decibels.toFixed(1)}`,
  );
  const on = samples.heldOut > 0 ? `${samples.heldOut} others` : "the same";
  return `${seen}; chosen by the answers to ${on}, in dB: ${tried.join(", ")}`;
}

const integersIn = ({ target, weightLimit }: Report): string =>
  `${target === "x64" ? "uint8" : "int8"} activations, weights within ±${weightLimit} per channel (for ${target})`;

function floatIn({ float }: Report): string {
  if (float.length === 0) return "nothing";
  const named = float.slice(0, SHOWN).map(({ operator, name, why }) => `${operator} ${ending(name)} (${WHY[why]})`);
  return `${named.join(", ")}${float.length > SHOWN ? `, and ${float.length - SHOWN} more` : ""}`;
}

const WHY: Readonly<Record<Report["float"][number]["why"], string>> = {
  "no-rule": "has no integer form",
  asked: "was asked to stay",
  end: "only leads to the answers",
  given: "was so already",
};

/** Exporters put paths before names. */
const ending = (name: string, room = 32): string => (name.length <= room ? name : `…${name.slice(1 - room)}`);

/** A column is as wide as its heading at least. */
const longest = (operators: readonly string[]): string =>
  [COLUMNS[1], ...operators].reduce((longer, each) => (each.length > longer.length ? each : longer));
