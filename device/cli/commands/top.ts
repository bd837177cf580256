import { type Command, Option } from "commander";
import { boardSchema, logsSchema, statusSchema, whySchema } from "../../api/schemas.ts";
import type { Client } from "../client.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { leftBySignal } from "../interrupt.ts";
import { count, durationInSeconds } from "../quantities.ts";
import type { Terminal } from "../terminal.ts";
import type { View } from "../top/render.ts";
import { canDraw, type Display, drawing, pages } from "../top/show.ts";

interface TopOptions extends OnlineOptions {
  readonly interval: number;
  readonly count?: number;
}

const KEYS = `
  q or Ctrl-C leaves, Ctrl-L draws anew. Without a terminal, and with TERM=dumb, a
  plain page comes at each interval.`;

/** `lichen top`: the board at a glance, over the slowest of lines. */
export const addTop: AddCommand = (program, terminal) => program.addCommand(top(terminal));

const top = (terminal: Terminal): Command =>
  onlineCommand("top", "one calm screen: inference, samples, the round, the board, the last reasons")
    .addOption(new Option("-i, --interval <time>", "between two looks").argParser(durationInSeconds).default(2, "2s"))
    .addOption(new Option("-n, --count <n>", "leave after so many looks").argParser(count))
    .addHelpText("after", KEYS)
    .action(async ({ interval, count: looks = Number.POSITIVE_INFINITY, ...options }: TopOptions) => {
      const client = clientOf(options);
      // The first answer has to come: until then nothing is drawn.
      const first = await look(client);
      if (options.json) return watch(client, first, jsonLines(terminal), interval, looks, () => () => {});
      const display = canDraw(terminal) ? drawing(terminal) : pages(terminal);
      await watch(client, first, display, interval, looks, (redraw, leave) => keys(terminal, display, redraw, leave));
    });

async function look(client: Client): Promise<View> {
  const [status, why, board, logs] = await Promise.all([
    client.get("/v1/status", statusSchema),
    client.get("/v1/why", whySchema),
    client.get("/v1/board", boardSchema),
    client.get("/v1/logs?level=warn&last=3", logsSchema),
  ]);
  return { status, why, board, logs, silentSeconds: null };
}

/** @param listen to the person before the screen; returns what ends that */
function watch(
  client: Client,
  first: View,
  display: Display,
  intervalSeconds: number,
  looks: number,
  listen: (redraw: () => void, leave: () => void) => () => void,
): Promise<void> {
  let view = first;
  let answeredMs = performance.now();
  return leftBySignal(async (pause, leave) => {
    const deafen = listen(() => display.show(view), leave);
    try {
      display.show(view);
      for (let at = 1; at < looks && (await pause(intervalSeconds * 1000)); at++) {
        try {
          view = await look(client);
          answeredMs = performance.now();
        } catch {
          // It may be starting again: what was seen last stays, and says how old it is.
          view = { ...view, silentSeconds: (performance.now() - answeredMs) / 1000 };
        }
        display.show(view);
      }
    } finally {
      deafen();
      display.end();
    }
  });
}

/** Keys and sizes of a terminal. In raw mode Ctrl-C is a key like any other. */
function keys({ out }: Terminal, display: Display, redraw: () => void, leave: () => void): () => void {
  const input = process.stdin;
  const pressed = (chunk: Buffer) => {
    const text = chunk.toString("latin1");
    if (LEAVING.some((key) => text.includes(key))) leave();
    else if (text.includes(CTRL_L)) {
      display.forget();
      redraw();
    }
  };
  const isRaw = out.isTTY === true && input.isTTY;
  if (isRaw) input.setRawMode(true).on("data", pressed).resume();
  out.on("resize", redraw);
  // Whatever ends the process: the terminal is whole again.
  process.once("exit", display.end);
  return () => {
    process.off("exit", display.end);
    out.off("resize", redraw);
    if (isRaw) input.off("data", pressed).setRawMode(false).pause();
  };
}

const [CTRL_C, CTRL_D, CTRL_L] = ["\u0003", "\u0004", "\u000c"] as const;
const LEAVING: readonly string[] = ["q", "Q", CTRL_C, CTRL_D];

const jsonLines = ({ out }: Terminal): Display => ({
  show: ({ status, why, board, logs, silentSeconds }) =>
    void out.write(
      `${JSON.stringify({ schema: "lichen/top/1", silentSeconds, status, why, board, logs: logs.records })}\n`,
    ),
  forget() {},
  end() {},
});
