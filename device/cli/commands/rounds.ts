import { roundAnswerSchema, roundsSchema } from "../../api/schemas.ts";
import type { Round } from "../../rounds/record.ts";
import { outcomeInWords } from "../../why.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { count } from "../quantities.ts";
import { bytes, duration, facts, gain, moment, short, show, table } from "../terminal.ts";

/** `lichen rounds`: what was trained and judged here. */
export const addRounds: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("rounds", "the last rounds, or all of one: what was trained and judged, and what came of it")
      .argument("[number]", "one round, in full", count)
      .option("-n, --last <n>", "so many, the newest first", count, 10)
      .action(async (id: number | undefined, { last, ...options }: OnlineOptions & { last: number }) => {
        const client = clientOf(options);
        if (id !== undefined) {
          const answer = await client.get(`/v1/rounds/${id}`, roundAnswerSchema);
          return show(terminal, options.json === true, answer, inFull(answer.round));
        }
        const { schema, rounds } = await client.get("/v1/rounds", roundsSchema);
        const newest = rounds.toReversed().slice(0, last);
        show(terminal, options.json === true, { schema, rounds: newest }, listed(newest));
      }),
  );

const listed = (rounds: readonly Round[]): string =>
  rounds.length === 0
    ? "no rounds so far; «lichen why» says what the first one waits for"
    : table(
        ["round", "began (UTC)", "kind", "took", "outcome", "held out", "why"],
        rounds.map((round) => [
          round.id,
          moment(round.startedAt).slice(0, 11),
          round.kind,
          round.seconds === null ? "" : duration(round.seconds),
          round.outcome.tag,
          gainOf(round, "heldOut"),
          outcomeInWords(round).code,
        ]),
      );

function inFull(round: Round): string {
  const { code, explanation, found, todo } = outcomeInWords(round);
  const { resources, shadow } = round;
  return facts([
    ["round", `${round.id}, ${round.kind}, by ${round.trigger}`],
    ["began", `${round.startedAt.slice(0, 19).replace("T", " ")} UTC`],
    ...row("goes on with", round.continues === undefined ? undefined : `round ${round.continues}, which was cut off`),
    ["outcome", round.outcome.tag],
    ["why", `${code}: ${found || explanation}`],
    ["to do", todo],
    ["samples", `${round.samples.train} trained on, ${round.samples.heldOut} held out`],
    ...row("unlabelled", round.unlabelled),
    ["held out", gainOf(round, "heldOut")],
    ["rehearsal", gainOf(round, "rehearsal")],
    ...row("shadow", shadow && `${shadow.inferences} inferences, ${shadow.agreements} of them alike`),
    ...row("adapter", round.adapter === null ? undefined : short(round.adapter)),
    ...row("took", round.seconds === null ? undefined : duration(round.seconds)),
    ...row("paused", round.pauses === undefined ? undefined : `${round.pauses} times`),
    ...row("processor", resources && maybe(resources.cpuSeconds, duration)),
    ...row("memory", resources && maybe(resources.peakMemoryBytes, (size) => `${bytes(size)} at most`)),
    ...row("written", resources && maybe(resources.writtenBytes, bytes)),
    ...row(
      "energy",
      resources?.energy ? `${resources.energy.joules.toFixed(1)} J (${resources.energy.source})` : undefined,
    ),
  ]);
}

const row = (name: string, value: string | number | null | undefined): (readonly [string, string | number])[] =>
  value === null || value === undefined ? [] : [[name, value]];

const maybe = <T>(value: T | null, say: (value: T) => string): string | null => (value === null ? null : say(value));

const gainOf = ({ metrics }: Round, on: "heldOut" | "rehearsal"): string =>
  metrics === null ? "–" : gain(metrics, on);
