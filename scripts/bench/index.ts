/**
 * The figures of the README, measured: `npm run bench [name …] [-- --threads N]`, and of models by others, which takes hours and data
 * that are not part of the project: `npm run bench real [job …] [-- --seeds N]`.
 * Ratios come from one run, turn by turn, since machines differ and are never quite idle.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { benchAdaptation } from "./adaptation.ts";
import { benchDevice } from "./device/index.ts";
import { benchImport } from "./import.ts";
import { benchPeers } from "./peers.ts";
import { benchPlanner } from "./planner.ts";
import { benchQuantize } from "./quantize.ts";
import { benchReal } from "./real/index.ts";
import { benchRound } from "./round.ts";
import { benchServing } from "./serving.ts";
import { benchStep } from "./step.ts";

const BENCHES: Readonly<Record<string, (threads: number) => Promise<string>>> = {
  adaptation: benchAdaptation,
  device: benchDevice,
  import: benchImport,
  peers: benchPeers,
  planner: benchPlanner,
  quantize: benchQuantize,
  round: benchRound,
  serving: benchServing,
  step: benchStep,
};

const { values, positionals } = parseArgs({
  options: { threads: { type: "string", default: "2" }, seeds: { type: "string", default: "5" } },
  allowPositionals: true,
});
const threads = Number(values.threads);
const [first, ...jobs] = positionals;
const names = first === "real" ? [] : positionals.length > 0 ? positionals : Object.keys(BENCHES);
process.stdout.write(`Node ${process.version}, ${process.arch}, ${availableParallelism()} cores, ${threads} threads\n`);
for (const name of names) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`no bench ${name}: choose from ${Object.keys(BENCHES).join(", ")}`);
  process.stdout.write(`\n### ${name}\n\n${await bench(threads)}\n`);
}
if (first === "real") process.stdout.write(`\n${await benchReal(threads, jobs, Number(values.seeds))}\n`);
