import type { WhyAnswer } from "./api/schemas.ts";
import { type Meaning, meaningOf, type Subject } from "./codes.ts";
import type { Verdict } from "./governor/govern.ts";
import type { Round } from "./rounds/record.ts";

export interface WhyFacts {
  readonly verdict: Verdict;
  readonly phase: string;
  /** Oldest first. */
  readonly rounds: readonly Round[];
  /** Oldest first. */
  readonly refused: readonly { readonly sha256: string; readonly reason: string }[];
  readonly pinned: WhyAnswer["pinned"];
  readonly problems: WhyAnswer["problems"];
}

/** Why rounds and adapters are where they are, with every code in words. Pure. */
export function why({ verdict, phase, rounds, refused, pinned, problems }: WhyFacts): WhyAnswer {
  const holding = verdict.tag === "wait" || verdict.tag === "pause" ? verdict.reasons : [];
  const reasons = holding.map(({ code, found, wanted, againMs }) => ({
    ...inWords(code, "round"),
    found,
    wanted,
    againSeconds: againMs === null ? null : againMs / 1000,
  }));
  return {
    schema: "lichen/why/1",
    state: stateOf(verdict, phase),
    phase,
    reasons,
    last: lastOf(rounds),
    pinned,
    adapters: refused.map(({ sha256, reason }) => ({ sha256, ...inWords(reason, "adapter") })).reverse(),
    problems,
  };
}

function stateOf({ tag }: Verdict, phase: string): WhyAnswer["state"] {
  if (phase === "paused" || tag === "pause") return "paused";
  if (tag === "go on") return "runs";
  if (phase !== "idle" && phase !== "interrupted") return "runs";
  return tag === "start" ? "starts" : "waits";
}

function lastOf(rounds: readonly Round[]): WhyAnswer["last"] {
  const last = rounds.findLast(({ outcome }) => outcome.tag !== "running");
  if (last === undefined) return null;
  const { code, explanation, todo, found } = outcomeInWords(last);
  return { id: last.id, kind: last.kind, outcome: last.outcome.tag, code, explanation, todo, found };
}

/** What came of a round, in words. @returns found: what the judgement rested on, or the error's own words */
export function outcomeInWords({ outcome }: Round): Meaning & { readonly code: string; readonly found: string } {
  switch (outcome.tag) {
    case "running":
      return { code: "RUNNING", explanation: "it is under way", todo: "wait for its end", found: "" };
    case "failed":
      return { ...inWords(outcome.code, "error"), found: outcome.message };
    default:
      return { ...inWords(outcome.reason, "round"), found: outcome.explanation };
  }
}

/** A code of another version explains itself by its name. */
function inWords(code: string, of: Subject): Meaning & { readonly code: string } {
  const { explanation, todo } = meaningOf(code, of) ??
    meaningOf(code, "error") ?? {
      explanation: "this version of Lichen does not know the code",
      todo: "see `lichen logs`",
    };
  return { code, explanation, todo };
}
