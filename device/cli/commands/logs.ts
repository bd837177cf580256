import { Option } from "commander";
import { type LogsAnswer, logsSchema } from "../../api/schemas.ts";
import { LEVELS } from "../../operation/logs/record.ts";
import { type AddCommand, clientOf, type OnlineOptions, serviceCommand } from "../command.ts";
import { leftBySignal } from "../interrupt.ts";
import { count } from "../quantities.ts";
import { folded, harmless, moment, painted, type Terminal, type Tone } from "../terminal.ts";

interface LogsOptions extends OnlineOptions {
  readonly last: number;
  readonly level: string;
  readonly follow?: true;
}

const EVERY_MS = 1000;

/** `lichen logs`: what the daemon said last, also where no journal is kept. */
export const addLogs: AddCommand = (program, terminal) =>
  program.addCommand(
    serviceCommand("logs", "what the daemon logged last, also what the journal was spared")
      .option("-n, --last <n>", "so many records", count, 20)
      .addOption(
        new Option("--level <level>", "of this weight and above").choices(Object.values(LEVELS)).default("info"),
      )
      .option("-f, --follow", "go on with what comes, until Ctrl-C; with --json, a line a record")
      .action(async ({ last, level, follow, ...options }: LogsOptions) => {
        const client = clientOf(options);
        const ask = (query: string) => client.get(`/v1/logs?level=${level}${query}`, logsSchema);
        const first = await ask(`&last=${last}`);
        if (!follow && options.json) return void terminal.out.write(`${JSON.stringify(first)}\n`);
        const tell = (records: LogsAnswer["records"]) => {
          for (const record of records)
            terminal.out.write(options.json ? `${line(record)}\n` : readable(terminal, record));
        };
        tell(first.records);
        if (!follow) return;
        await leftBySignal(async (pause) => {
          for (let next = first.next ?? 0; await pause(EVERY_MS); ) {
            const answer = await ask(`&last=1000&after=${next}`);
            // A daemon that was started again begins to count anew.
            const isAnother = answer.next !== undefined && answer.next < next;
            tell(isAnother ? (await ask("&last=1000")).records : answer.records);
            next = answer.next ?? next;
          }
        });
      }),
  );

const line = (record: LogsAnswer["records"][number]): string => JSON.stringify({ schema: "lichen/log/1", ...record });

const TONES: Readonly<Record<string, Tone>> = {
  warn: "warning",
  error: "bad",
  fatal: "bad",
  debug: "quiet",
  trace: "quiet",
};

/** `11-24 13:40:05 warn   the words`, going on below themselves. */
export function readable(terminal: Terminal, { time, level, message, code }: LogsAnswer["records"][number]): string {
  const head = `${moment(time)} `;
  const word = level.padEnd(6);
  const tone = TONES[level];
  const words = code === undefined || message.includes(code) ? message : `${message} (${code})`;
  return folded(harmless(words), 80 - head.length - word.length)
    .map((text, at) =>
      at === 0
        ? `${head}${tone ? painted(terminal, tone, word) : word}${text}\n`
        : `${" ".repeat(head.length + word.length)}${text}\n`,
    )
    .join("");
}
