/**
 * What emulated arm64 processors answer and learn, beside this machine: `scripts/arm64/run.sh compare [CPU...]`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { percent } from "../../device/cli/terminal.ts";
import { markdownTable } from "../bench/tables.ts";
import { compareProcessors, PROCESSORS } from "./comparison/index.ts";

const named = process.argv.slice(2);
const processors = named.length > 0 ? named : PROCESSORS;
const folder = await mkdtemp(join(tmpdir(), "lichen arm64 "));
try {
  const { values, adapted } = await compareProcessors(folder, processors);
  const differing = values.map(({ name, count, different }) => [
    ...[name, String(count)],
    ...different.map(({ count, largest }) => (count === 0 ? "none" : `${count}, by ${largest.toPrecision(2)}`)),
  ]);
  console.log(`\nValues that differ from x64's, and by how much at most\n`);
  console.log(markdownTable(["", "values", ...processors], differing));

  const learnt = adapted.map(({ name, before, after }) => [name, percent(before), ...after.map(share)]);
  console.log(`\nAccuracy with the adapter that each trained\n`);
  console.log(markdownTable(["", "before", "x64", ...processors], learnt));
} finally {
  await rm(folder, { recursive: true, force: true });
}

function share({ accuracy, exact }: { accuracy: number; exact: boolean }): string {
  return `${percent(accuracy)}${exact ? "" : " (what is served is not what was trained)"}`;
}
