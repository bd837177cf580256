import { Argument } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import { roundAnswerSchema, type WhyAnswer, whySchema } from "../../api/schemas.ts";
import { allCodes, type Meaning, meaningsOf } from "../../codes.ts";
import type { Round } from "../../rounds/record.ts";
import { outcomeInWords } from "../../why.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { block, duration, short, show, type Terminal } from "../terminal.ts";

const EXAMPLES = `
  lichen why              why a round runs, waits or pauses, and what is to be done
  lichen why round 12     what came of a round, and why
  lichen why TOO_HOT      what a code means; asks no daemon`;

/** `lichen why`: every reason in words, with what to do about it. */
export const addWhy: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("why", "why a round runs, waits or was refused, and what to do about it")
      .addArgument(new Argument("[what]", "round, or a code such as TOO_HOT"))
      .argument("[number]", "of the round")
      .addHelpText("after", EXAMPLES)
      .action(async (what: string | undefined, number: string | undefined, options: OnlineOptions) => {
        if (what === undefined) return now(options, terminal);
        if (what === "round") return ofRound(number, options, terminal);
        ofCode(what, number, options, terminal);
      }),
  );

async function now(options: OnlineOptions, terminal: Terminal): Promise<void> {
  const answer = await clientOf(options).get("/v1/why", whySchema);
  show(terminal, options.json === true, answer, readable(answer));
}

async function ofRound(number: string | undefined, options: OnlineOptions, terminal: Terminal): Promise<void> {
  if (number !== undefined && !/^\d+$/.test(number)) throw unclear(number, "the number of a round");
  const client = clientOf(options);
  const id = number ?? (await client.get("/v1/why", whySchema)).last?.id;
  if (id === undefined) throw unclear("no round so far", "one that has ended");
  const { round } = await client.get(`/v1/rounds/${id}`, roundAnswerSchema);
  const words = outcomeInWords(round);
  show(terminal, options.json === true, { schema: "lichen/why-round/1", ...words, round }, readableRound(round, words));
}

function ofCode(name: string, rest: string | undefined, { json }: OnlineOptions, terminal: Terminal): void {
  const code = name.toUpperCase();
  const meanings = meaningsOf(code);
  if (meanings.length === 0 || rest !== undefined) {
    throw unclear([name, rest].filter((word) => word !== undefined).join(" "), "round, or a code");
  }
  const readable = meanings.map((meaning) => block(`${code}: ${meaning.explanation}`, [`to do: ${meaning.todo}`]));
  show(terminal, json === true, { schema: "lichen/why-code/1", code, meanings }, readable.join("\n"));
}

const unclear = (found: string, wanted: string) =>
  new LichenError("BAD_ARGUMENT", {
    at: "why",
    found,
    wanted,
    todo: `see lichen why --help; there are ${allCodes().length} codes, as they stand in status, rounds and logs`,
  });

const STATES: Readonly<Record<WhyAnswer["state"], string>> = {
  starts: "Nothing holds a round back: one starts now.",
  waits: "No round is under way. What holds it back, the most important first:",
  runs: "A round is under way",
  paused: "The round is paused. What holds it back, the most important first:",
};

export function readable({ state, phase, reasons, last, pinned, adapters, problems }: WhyAnswer): string {
  const isPinned = pinned !== null;
  return [
    state === "runs" ? `${STATES.runs}: ${phase}.` : STATES[state],
    ...(state === "runs" ? [] : reasons.map(reasonInWords)),
    ...(last === null
      ? []
      : [block(`Round ${last.id}, the last one, was ${last.outcome}: ${last.code}`, fromMeaning(last))]),
    ...(isPinned ? [`Pinned by hand: ${short(pinned.adapter)}. «lichen use --auto» lets go of it.`] : []),
    ...adapters
      .slice(0, SHOWN)
      .map((adapter) => block(`Out of service: ${short(adapter.sha256)}, ${adapter.code}`, fromMeaning(adapter))),
    ...(adapters.length > SHOWN ? [`… and ${adapters.length - SHOWN} more out of service; see lichen adapters`] : []),
    ...problems.map(({ message }) => block(`Problem: ${message}`, [])),
  ].join("\n");
}

/** The newest say what goes on. */
const SHOWN = 3;

const reasonInWords = (
  { code, explanation, todo, found, wanted, againSeconds }: WhyAnswer["reasons"][number],
  at: number,
) =>
  block(`${at + 1}. ${code}: ${explanation}`, [
    `found ${found}; wanted ${wanted}${againSeconds === null ? "" : `; asked again in ${duration(againSeconds)}`}`,
    `to do: ${todo}`,
  ]);

/** @param found says the explanation too, with its numbers, where there is any */
const fromMeaning = ({ explanation, todo, found }: Meaning & { readonly found?: string }): string[] => [
  found || explanation,
  ...(found?.includes("To do:") ? [] : [`to do: ${todo}`]),
];

const readableRound = ({ id, kind, trigger, outcome }: Round, words: ReturnType<typeof outcomeInWords>): string =>
  block(
    `Round ${id} (${kind}, by ${trigger}) ${outcome.tag === "running" ? "runs" : `was ${outcome.tag}`}: ${words.code}`,
    fromMeaning(words),
  );
