import { Option } from "commander";
import { LichenError } from "../../../runtime/errors.ts";
import { type LabelledAnswer, labelledSchema } from "../../api/sample-schemas.ts";
import type { LabelRequest } from "../../labels/request.ts";
import { type AddCommand, clientOf, type OnlineOptions, onlineCommand } from "../command.ts";
import { durationInSeconds } from "../quantities.ts";
import { short, show, table } from "../terminal.ts";

interface LabelOptions extends OnlineOptions {
  readonly since?: number;
  readonly retract?: true;
}

const EXAMPLES = `
  lichen label last scrap            the sample that came last
  lichen label 3f9a12 scrap          one sample, by the beginning of its hash
  lichen label --since 10s scrap     all that came in the last ten seconds
  lichen label --retract 3f9a12      takes a label back; the next round forgets it`;

/** `lichen label`: a person says what a sample is, or that it is not what was said. */
export const addLabel: AddCommand = (program, terminal) =>
  program.addCommand(
    onlineCommand("label", "say what samples are, or take it back")
      .argument("[what...]", "a sample (last, or its hash) and a class")
      .addOption(
        new Option("--since <time>", "samples of the last seconds, in place of one").argParser(durationInSeconds),
      )
      .option("--retract", "take the label back, in place of a class")
      .addHelpText("after", EXAMPLES)
      .action(async (what: string[], options: LabelOptions) => {
        const answer = await clientOf(options).post("/v1/labels", labelledSchema, requestOf(what, options));
        show(terminal, options.json === true, answer, readable(answer));
      }),
  );

/** What the words and options mean. @throws BAD_ARGUMENT where there are too many or too few */
export function requestOf(
  what: readonly string[],
  { since, retract }: Pick<LabelOptions, "since" | "retract">,
): LabelRequest {
  const words = [...what];
  const sample = since === undefined ? words.shift() : undefined;
  const label = retract ? null : words.shift();
  if ((since === undefined && sample === undefined) || label === undefined || words.length > 0) {
    const wanted = `${since === undefined ? "a sample" : ""}${since === undefined && !retract ? " and " : ""}${retract ? "" : "a class"}`;
    throw new LichenError("BAD_ARGUMENT", {
      at: "label",
      found: what.join(" ") || "nothing",
      wanted: wanted || "no more words",
      todo: "see lichen label --help",
    });
  }
  return { label, samples: meant(sample, since) };
}

function meant(sample: string | undefined, since: number | undefined): LabelRequest["samples"] {
  if (since !== undefined) return { sinceSeconds: since };
  return sample === "last" ? { last: true } : { sha256: sample!.toLowerCase() };
}

const readable = ({ samples }: LabelledAnswer): string =>
  table(
    ["sample", "was", "is", ""],
    samples.map(({ sha256, before, label, outcome }) => [
      short(sha256),
      before ?? "–",
      label ?? "–",
      outcome === "stands" ? "stays: what was said before counts more" : "",
    ]),
  );
