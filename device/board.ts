import type { Adapters } from "./adapters/adapters.ts";
import type { Shelf } from "./adapters/shelf.ts";
import { problem } from "./api/problem.ts";
import type { Board } from "./api/routes.ts";
import type { Shelved } from "./api/schemas.ts";
import type { Clock } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { FleetLink } from "./fleet-link.ts";
import type { InferenceLine } from "./inference/line.ts";
import type { Rounds } from "./rounds/rounds.ts";
import type { SampleStore } from "./samples/store.ts";
import type { Inference, Sink, Source, SourceFile } from "./sources/source.ts";

export interface BoardParts {
  readonly device: string;
  /** Names of all models that the daemon serves. */
  readonly models: readonly string[];
  readonly engine: Engine;
  readonly store: SampleStore;
  readonly shelf: Shelf;
  readonly adapters: Adapters;
  readonly rounds: Rounds;
  readonly sources: readonly Source[];
  readonly link?: FleetLink;
  readonly softwareVersion: string;
  readonly clock: Clock;
  /** Filled while the daemon starts. */
  readonly problems: readonly Error[];
  readonly line: InferenceLine;
  sample: Sink["sample"];
  infer(file: SourceFile, from: string): Promise<Inference>;
  /** Tells the fleet what serves now, and what is offered. */
  tellFleet(): Promise<void>;
}

/** A station's parts as the API shows them. */
export function createBoard(parts: BoardParts): Board {
  const { device, engine, store, shelf, adapters, rounds, clock } = parts;
  const { card, sha256 } = engine.model;
  const bornMs = clock.monotonicMs();

  return {
    status() {
      const samples = store.list();
      const { current, previous, version } = shelf.state();
      const outlook = rounds.outlook();
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
          state: outlook.tag === "start" ? "STARTING" : outlook.reason,
          progress: rounds.progress(),
          last: rounds.history().at(-1) ?? null,
        },
        sync: parts.link === undefined ? null : { ...parts.link.status() },
        problems: parts.problems.map(problem),
      };
    },
    sample: parts.sample,
    infer: parts.infer,
    samples() {
      const fresh = new Set(rounds.newSamples());
      const samples = store.list().map((sample) => ({
        sha256: sample.sha256,
        label: sample.label,
        bytes: sample.bytes,
        new: fresh.has(sample),
      }));
      return { schema: "lichen/samples/1", samples };
    },
    adapters() {
      const { current, previous, version, refused } = shelf.state();
      return { schema: "lichen/adapters/1", version, current: shelved(current), previous: shelved(previous), refused };
    },
    rounds: () => rounds.history(),
    adapt: (onProgress) => rounds.request(onProgress),
    async rollBack() {
      await adapters.rollBack("ROLLED_BACK");
      await parts.tellFleet();
      return { schema: "lichen/rollback/1", serving: adapters.serving().adapter(), version: shelf.state().version };
    },
  };

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
