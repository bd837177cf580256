import type { InferenceFacts, Phase } from "./governor/facts.ts";
import type { InferenceLine } from "./inference/line.ts";

/** How fast inference is, and how fast it is while nothing trains: what the governor compares. */
export interface InferencePace {
  facts(phase: Phase): InferenceFacts;
}

/** Below so many answers their slowest hundredth is but the slowest one. */
const ENOUGH = 100;

export function inferencePace(line: Pick<InferenceLine, "status" | "behindMs">): InferencePace {
  let usualP99Ms: number | null = null;
  return {
    facts(phase) {
      const { count, p99Ms: slowest } = line.status().latency;
      const p99Ms = count >= ENOUGH ? slowest : null;
      if (phase === "none") usualP99Ms = p99Ms;
      return { p99Ms, usualP99Ms, queuedMs: line.behindMs() };
    },
  };
}
