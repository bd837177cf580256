import { PassThrough } from "node:stream";
import fc from "fast-check";
import stringWidth from "string-width";
import { describe, expect, it, test } from "vitest";
import type { Terminal } from "../../../device/cli/terminal.ts";
import { render, type View } from "../../../device/cli/top/render.ts";
import { clipped, diff, ENTER, LEAVE, type Screen } from "../../../device/cli/top/screen.ts";
import { canDraw, drawing, pages } from "../../../device/cli/top/show.ts";
import { VIEW } from "./views.ts";

const SIZE = { columns: 80, rows: 24 };

/** A terminal that knows the few sequences that are sent: addresses, erasing a line, erasing all. @see ECMA-48 */
function emulate(bytes: string, before: readonly string[], { columns, rows }: Screen["size"]): string[] {
  const grid = Array.from({ length: rows }, (_, row) => [...(before[row] ?? "").padEnd(columns)]);
  let [row, column] = [0, 0];
  for (const [token, sequence, ink] of bytes.replaceAll("\u001b", "⎋").matchAll(/⎋\[([\d;?]*[A-Za-z])|([^⎋])/g)) {
    if (ink !== undefined) grid[row]![column++] = token;
    else if (sequence === "K") grid[row]!.fill(" ", column);
    else if (sequence === "2J") for (const line of grid) line.fill(" ");
    else if (sequence!.endsWith("H"))
      [row, column] = sequence!
        .slice(0, -1)
        .split(";")
        .map((n) => Number(n) - 1)
        .concat(0) as [number, number];
    else if (sequence !== "0m") throw new Error(`not a sequence that top may send: ${JSON.stringify(token)}`);
  }
  return grid.map((line) => line.join("").trimEnd());
}

const shown = ({ lines, size }: Screen) => Array.from({ length: size.rows }, (_, row) => lines[row] ?? "");

describe("what is sent", () => {
  const line = fc.string({ maxLength: 30 }).map((text) => text.trimEnd());
  const screen = fc.array(line, { maxLength: 6 }).map((lines): Screen => ({ size: { columns: 30, rows: 6 }, lines }));

  it("turns any screen into any other", () => {
    fc.assert(
      fc.property(screen, screen, (before, after) => {
        expect(emulate(diff(before, after), shown(before), after.size)).toEqual(shown(after));
      }),
    );
  });

  it("draws a screen on a terminal of which nothing is known, and after its size has changed", () => {
    const small = { ...VIEW_SCREEN, size: { columns: 40, rows: 24 } };
    for (const before of [null, small]) {
      expect(emulate(diff(before, VIEW_SCREEN), Array(24).fill("junk"), SIZE)).toEqual(shown(VIEW_SCREEN));
    }
  });

  it("is nothing, where nothing has changed", () => {
    expect(diff(VIEW_SCREEN, render(VIEW, SIZE))).toBe("");
  });

  it("is a line from its beginning where characters are wider than a cell", () => {
    const of = (text: string): Screen => ({ size: SIZE, lines: [text] });
    expect(diff(of("鉄 1 x"), of("鉄 2 x"))).toBe("\u001b[1H鉄 2 x\u001b[K");
  });
});

const VIEW_SCREEN = render(VIEW, SIZE);

/** A board at work: everything that can move, moves. */
function* refreshes(count: number): Generator<View> {
  const random = sequence(7);
  for (let at = 0; at < count; at++) {
    const { status, why, board } = VIEW;
    const isTraining = at % 20 > 10;
    const p50Ms = 4 + random();
    const latency = {
      ...status.inference.latency,
      perSecond: 12 + random(),
      p50Ms,
      p95Ms: p50Ms + 1 + random(),
      p99Ms: p50Ms + 5 * random(),
    };
    yield {
      ...VIEW,
      status: {
        ...status,
        uptimeSeconds: status.uptimeSeconds + 2 * at,
        inference: { ...status.inference, latency },
        samples: {
          ...status.samples,
          total: 80 + at,
          new: at % 20,
          bytes: 652_000 + 8000 * at,
          perClass: { ...status.samples.perClass, one: 3 + at },
        },
        round: {
          ...status.round,
          progress: isTraining
            ? { phase: "train", done: at % 20, total: 20, loss: random(), accuracy: random() }
            : null,
        },
      },
      why: isTraining ? { ...why, state: "runs", phase: "training", reasons: [] } : why,
      board: {
        ...board,
        temperatureCelsius: 55 + 10 * random(),
        load: random(),
        availableBytes: 4e8 + 1e7 * random(),
        process: { ...board.process, residentBytes: 9.6e7 + 1e6 * random() },
      },
    };
  }
}

/** @see Park & Miller 1988, CACM 31:1192 */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

test("a refresh of a busy board is a few hundred bytes at most, and a whole screen about a thousand", () => {
  let before: Screen | null = null;
  const sent: number[] = [];
  for (const view of refreshes(200)) {
    const screen = render(view, SIZE);
    sent.push(Buffer.byteLength(diff(before, screen)));
    before = screen;
  }
  const [first, ...rest] = sent;
  const mean = rest.reduce((sum, bytes) => sum + bytes, 0) / rest.length;
  expect(first).toBeLessThan(1200);
  // Where a round begins or ends, sections come and go.
  expect(Math.max(...rest)).toBeLessThan(500);
  expect(mean).toBeLessThan(200);
});

describe("the screen", () => {
  it("shows at 80 by 24 what a field engineer asks for", () => {
    const text = VIEW_SCREEN.lines.join("\n");
    for (const part of [
      "line-3-box-7",
      "12.3/s",
      "p50   4.1 p95   5.2 p99   9.9 ms",
      "waits: TOO_FEW_NEW_SAMPLES",
      "61 C",
      "412.0 MB",
      "connected for 4 min",
      "TOO_HOT",
      "found 81.2 C; wanted below 70.0 C",
      "50.0 % -> 95.0 %",
      "14:06:38 warn",
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toMatch(/^[ -~\n]*$/);
    expect(text).toMatchInlineSnapshot(`
      "line-3-box-7  lichend 0.1.0  up 3 h 20 min                       spoken-digits 1
      adapter    59e03b7830ff, version 1, before it base
      inference   12.3/s  p50   4.1 p95   5.2 p99   9.9 ms  0 waiting, 0 dropped
      round      waits: TOO_FEW_NEW_SAMPLES
      last       round 1 accepted: GAIN   held out 50.0 % -> 95.0 %
      board      61 C   load 0.6 on 4   free 412.0 MB   lichend 96.0 MB
      disk       3.2 GB free   120.0 kB written an hour
      sync       connected for 4 min (MQTT 5)

      samples    80, 3 of them new, 652.0 kB
      zero          0           one           3 #         two           6 ##
      three         9 ###       four         12 ####      five         15 ####
      six          18 #####     seven        21 ######    eight        24 #######
      nine         27 ########

      why        (lichen why has what to do)
        TOO_FEW_NEW_SAMPLES  found 3 new; wanted 20
        TOO_HOT              found 81.2 C; wanted below 70.0 C

      log
        14:06:38 warn  a warning of some length, told in full by lichen logs"
    `);
  });

  it("shows a round with its progress", () => {
    const training = [...refreshes(16)].at(-1)!;
    expect(render(training, SIZE).lines.join("\n")).toMatch(
      /round +training: train +\[#{15}\.{5}\] 15\/20 loss 0\.\d{3} right \d/,
    );
  });

  it("fits any terminal, whatever classes are called, and keeps the head as long as there is one line", () => {
    const sizes = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
    const perClass = fc.dictionary(fc.string({ unit: "grapheme" }), fc.nat(), { maxKeys: 40 });
    fc.assert(
      fc.property(sizes, perClass, (size, perClass) => {
        const { lines } = render(
          { ...VIEW, status: { ...VIEW.status, samples: { ...VIEW.status.samples, perClass } } },
          size,
        );
        expect(lines.length).toBeLessThanOrEqual(size.rows);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(size.columns);
        expect(lines[0]).toBe(clipped(lines[0]!, size.columns));
        expect("line-3-box-7".startsWith(lines[0]!.slice(0, 12))).toBe(true);
      }),
    );
  });

  it("says how old it is when the daemon has gone silent", () => {
    expect(render({ ...VIEW, silentSeconds: 12 }, SIZE).lines[1]).toContain("NO ANSWER from the daemon for 12 s");
  });

  it("lets no escape of a log through", () => {
    const logs = {
      ...VIEW.logs,
      records: [{ level: "warn", time: "2026-11-24T14:06:38.000Z", message: "\u001b[2Jgone\u0007" }],
    };
    expect(render({ ...VIEW, logs }, SIZE).lines.join("")).not.toMatch(/\p{Cc}/u);
  });
});

describe("the terminal", () => {
  const terminal = (isTTY: boolean, env: Terminal["env"] = { TERM: "xterm" }) => {
    const out = Object.assign(new PassThrough(), { isTTY, columns: 80, rows: 24 });
    return { of: { out, notes: new PassThrough(), env }, text: () => String(out.read() ?? "") };
  };

  it("is entered once and left as it was, once", () => {
    const { of, text } = terminal(true);
    const display = drawing(of);
    display.show(VIEW);
    display.show({ ...VIEW, silentSeconds: 1 });
    display.end();
    display.end();
    const sent = text();
    expect(sent.startsWith(ENTER)).toBe(true);
    expect(sent.endsWith(LEAVE)).toBe(true);
    expect(sent.split(LEAVE)).toHaveLength(2);
    expect(sent.split(ENTER)).toHaveLength(2);
  });

  it("gets plain pages where it is none, or a dumb one", () => {
    expect(canDraw(terminal(true).of)).toBe(true);
    expect(canDraw(terminal(false).of)).toBe(false);
    expect(canDraw(terminal(true, { TERM: "dumb" }).of)).toBe(false);
    const { of, text } = terminal(false);
    const display = pages(of);
    display.show(VIEW);
    display.show(VIEW);
    display.end();
    const sent = text();
    expect(sent).not.toMatch(/(?!\n)\p{Cc}/u);
    expect(sent.match(/^line-3-box-7/gm)).toHaveLength(2);
    expect(Math.max(...sent.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
