import type { Adapters } from "./adapters/adapters.ts";
import type { Keeper } from "./adapters/keeper.ts";
import type { Shelf } from "./adapters/shelf.ts";
import { problem } from "./api/problem.ts";
import type { Board } from "./api/routes.ts";
import type { Shelved } from "./api/schemas.ts";
import type { Clock } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { FleetLink } from "./fleet-link.ts";
import type { Verdict } from "./governor/govern.ts";
import type { InferenceLine } from "./inference/line.ts";
import type { ResultsPublisher } from "./inference/results.ts";
import type { Rounds } from "./rounds/rounds.ts";
import type { Curator } from "./samples/curator.ts";
import { FEATURES_EXTENSION } from "./samples/features.ts";
import { isLabelled, type StoredSample } from "./samples/sample.ts";
import type { SampleStore } from "./samples/store.ts";
import type { Inference, Sink, Source, SourceFile } from "./sources/source.ts";
import { why } from "./why.ts";

export interface BoardParts {
  readonly device: string;
  /** Names of all models that the daemon serves. */
  readonly models: readonly string[];
  readonly engine: Engine;
  readonly store: SampleStore;
  readonly shelf: Shelf;
  readonly adapters: Adapters;
  readonly keeper: Keeper;
  readonly rounds: Rounds;
  readonly sources: readonly Source[];
  readonly link?: FleetLink;
  readonly results?: ResultsPublisher;
  readonly softwareVersion: string;
  readonly clock: Clock;
  /** Filled while the daemon starts. */
  readonly problems: readonly Error[];
  /** What is wrong with the daemon as a whole, now. */
  readonly notices?: () => readonly Error[];
  /** The governor's answer as it would be now. */
  explain(): Promise<Verdict>;
  readonly line: InferenceLine;
  readonly curator: Curator;
  sample: Sink["sample"];
  infer(file: SourceFile, from: string): Promise<Inference>;
  /** Tells rounds and fleet that something else serves, or may. */
  servingChanged(): Promise<void>;
}

/** A station's parts as the API shows them. */
export function createBoard(parts: BoardParts): Board {
  const { device, engine, store, shelf, adapters, keeper, rounds, clock } = parts;
  const { card, sha256 } = engine.model;
  const bornMs = clock.monotonicMs();

  return {
    status() {
      const samples = store.list();
      const { current, previous, version } = shelf.state();
      const ruling = rounds.ruling();
      const reasons = ruling?.tag === "wait" || ruling?.tag === "pause" ? [...ruling.reasons] : [];
      return {
        schema: "lichen/status/1",
        device,
        version: parts.softwareVersion,
        uptimeSeconds: Math.round((clock.monotonicMs() - bornMs) / 1000),
        models: [...parts.models],
        model: { id: card.id, version: card.version, sha256, labels: [...card.labels] },
        adapter: { serving: adapters.serving().adapter(), current, previous, version },
        inferences: adapters.serving().inferences(),
        inference: parts.line.status(),
        samples: {
          total: samples.length,
          bytes: samples.reduce((sum, { bytes }) => sum + bytes, 0),
          new: rounds.newSamples().length,
          perClass: Object.fromEntries(
            card.labels.map((label) => [label, samples.filter((sample) => sample.label === label).length]),
          ),
        },
        sources: parts.sources.map((source) => ({
          name: source.name,
          ...source.counts(),
          ...source.health?.(),
        })),
        round: {
          state: reasons[0]?.code ?? (rounds.facts().phase === "none" ? "STARTING" : "ROUND_RUNNING"),
          phase: rounds.state().tag,
          reasons,
          progress: rounds.progress(),
          last: rounds.history().at(-1) ?? null,
        },
        results: parts.results === undefined ? null : { ...parts.results.status() },
        // Its moments are on this clock.
        sync: parts.link === undefined ? null : { ...parts.link.status(), nowMs: clock.monotonicMs() },
        problems: problems(),
      };
    },
    why: async () =>
      why({
        verdict: await parts.explain(),
        phase: rounds.state().tag,
        rounds: rounds.history(),
        refused: shelf.state().refused,
        pinned: keeper.standing().pinned,
        problems: problems(),
      }),
    sample: parts.sample,
    infer: parts.infer,
    samples() {
      const fresh = new Set(rounds.newSamples().map(({ sha256 }) => sha256));
      const all = store.all();
      return {
        schema: "lichen/samples/1",
        samples: all
          .filter(isLabelled)
          .map((sample) => ({ ...told(sample), label: sample.label, new: fresh.has(sample.sha256) })),
        unlabelled: all.filter((sample) => !isLabelled(sample)).map(told),
      };
    },
    curator: parts.curator,
    adapters() {
      const { current, previous, version, refused } = shelf.state();
      const { good, pinned } = keeper.standing();
      return {
        schema: "lichen/adapters/1",
        version,
        current: shelved(current),
        previous: shelved(previous),
        good: shelved(good),
        pinned,
        refused,
      };
    },
    rounds: () => rounds.history(),
    adapt: (onProgress) => rounds.request(onProgress),
    async rollBack() {
      await keeper.rollBack();
      await parts.servingChanged();
      return { schema: "lichen/rollback/1", serving: adapters.serving().adapter(), version: shelf.state().version };
    },
    async use(name) {
      await (name === AUTO ? keeper.release() : keeper.use(name === BASE ? null : name));
      await parts.servingChanged();
      const { pinned } = keeper.standing();
      return { schema: "lichen/use/1", serving: adapters.serving().adapter(), pinned: pinned !== null };
    },
  };

  function problems() {
    return [...parts.problems, ...(parts.notices?.() ?? [])].map(problem);
  }

  function shelved(name: string | null): Shelved | null {
    if (name === null) return null;
    const adapter = adapters.known(name);
    return {
      sha256: name,
      method: adapter?.description.method ?? null,
      board: adapter?.description.board ?? null,
      createdAt: adapter?.description.createdAt ?? null,
      bytes: adapter?.bytes.byteLength ?? null,
      metrics: adapter?.description.metrics ?? null,
    };
  }
}

const told = ({ sha256, bytes, arrivedAtMs, source, origin, prediction, extension }: StoredSample) => ({
  sha256,
  bytes,
  arrivedAt: new Date(arrivedAtMs).toISOString(),
  source,
  origin,
  prediction,
  form: extension === FEATURES_EXTENSION ? ("features" as const) : ("raw" as const),
});

/** In place of an adapter's name: no adapter, or whatever rounds and fleet bring. */
const [BASE, AUTO] = ["base", "auto"] as const;
