import { Option } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import type { OfflineAdaptOptions } from "../../offline/adapt.ts";
import { progressBar } from "../progress.ts";
import { count, number } from "../quantities.ts";
import { bytes, facts, percent, short, show, type Terminal } from "../terminal.ts";

/** The options of `lichen adapt --model`, as commander hands them over. */
export interface OfflineCommandOptions extends Omit<OfflineAdaptOptions, "data" | "out" | "learningRate"> {
  readonly json?: true;
  readonly data?: string;
  readonly out?: string;
  readonly lr?: number;
}

export const offlineAdaptOptions = (): Option[] => [
  new Option("--model <folder>", "offline: the model package; no daemon is asked"),
  new Option("--data <folder>", "offline: labelled samples, one folder a class"),
  new Option("--val <folder>", "offline: held-out samples; else a part of --data is held out"),
  new Option("--out <file>", "offline: where the adapter goes"),
  new Option("--start <file>", "offline: an adapter to go on from"),
  new Option("--method <method>", "offline: what to train").default("head+bias"),
  new Option("--epochs <n>", "offline: passes over the samples").argParser(count),
  new Option("--batch <n>", "offline: samples a step").argParser(count),
  new Option("--lr <rate>", "offline: learning rate").argParser(number),
  new Option("--seed <n>", "offline: fixes every random choice").argParser(number),
  new Option("--threads <n>", "offline: threads (default 1)").argParser(count),
];

/** Trains and writes an adapter; the exit code is 0 whatever the gate says of it, since the file is there to be looked at. */
export async function adaptOffline(options: Partial<OfflineCommandOptions>, terminal: Terminal): Promise<void> {
  const { model, data, val, out, start, method, epochs, batch, lr, seed, threads } = options;
  const { runOfflineAdapt } = await import("../../offline/adapt.ts");
  const bar = progressBar(terminal);
  const result = await runOfflineAdapt(
    {
      model: given("--model", model),
      data: given("--data", data),
      out: given("--out", out),
      method: given("--method", method),
      ...(val !== undefined && { val }),
      ...(start !== undefined && { start }),
      ...(epochs !== undefined && { epochs }),
      ...(batch !== undefined && { batch }),
      ...(lr !== undefined && { learningRate: lr }),
      ...(seed !== undefined && { seed }),
      ...(threads !== undefined && { threads }),
    },
    bar.show,
  ).finally(bar.stop);
  const readable = facts([
    ["adapter", `${result.out} (${short(result.sha256)}, ${bytes(result.adapterBytes)})`],
    ["gate", `${result.gate.accepted ? "accepted" : "refused"}: ${result.gate.explanation}`],
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
