import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { progressBar } from "../../../device/cli/progress.ts";
import type { Terminal } from "../../../device/cli/terminal.ts";

function terminal(isTTY: boolean, env: Terminal["env"] = {}): { terminal: Terminal; out(): string; notes(): string } {
  const [out, notes] = [new PassThrough(), new PassThrough()];
  // The two methods that cli-progress asks of a terminal, besides writing.
  const faked = Object.assign(notes, { isTTY, cursorTo: () => true, clearLine: () => true });
  const text = (stream: PassThrough) => () => String(stream.read() ?? "");
  return { terminal: { out, notes: faked, env }, out: text(out), notes: text(notes) };
}

it("shows phases by their names on a terminal, nothing on stdout", () => {
  const { terminal: to, out, notes } = terminal(true);
  const bar = progressBar(to);
  bar.show({ phase: "cache", done: 1, total: 4 });
  bar.show({ phase: "train", done: 2, total: 5, loss: 0.5, accuracy: 0.75 }, "bias");
  bar.show({ phase: "a phase that came later", done: 1, total: 2 });
  bar.stop();
  const shown = notes();
  expect(shown).toContain("listening");
  expect(shown).toMatch(/bias: training .* 2\/5 loss 0\.500 accuracy 75\.0 %/);
  expect(shown).toContain("a phase that came later");
  expect(out()).toBe("");
});

it("is silent where nobody looks", () => {
  const { terminal: to, out, notes } = terminal(false);
  const bar = progressBar(to);
  bar.show({ phase: "train", done: 1, total: 2 });
  bar.stop();
  expect([out(), notes()]).toEqual(["", ""]);
});

it("leaves out of the bar what the words take of the line", () => {
  const { terminal: to, notes } = terminal(true);
  const bar = progressBar(to);
  bar.show({ phase: "train", done: 3, total: 40, loss: 0.376, accuracy: 1 }, "bias+scale+lora:rank=8, seed 2 of 5");
  bar.stop();
  const line = /bias\+scale.*accuracy 100\.0 %/.exec(notes())![0];
  expect(line.length).toBeLessThan(80);
});

it("writes a line a phase where the terminal cannot write over one", () => {
  const { terminal: to, notes } = terminal(true, { TERM: "dumb" });
  const bar = progressBar(to);
  for (const done of [1, 2, 80]) bar.show({ phase: "cache", done, total: 80 });
  for (const done of [1, 2]) bar.show({ phase: "train", done, total: 15, loss: 1 });
  bar.stop();
  expect(notes()).toBe("listening (80)\ntraining (15)\n");
});
