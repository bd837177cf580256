import { join } from "node:path";
import type { Logger } from "pino";
import type { Manifest } from "../fleet/protocol/messages.ts";
import { errorCode, LichenError } from "../runtime/errors.ts";
import { fullPreprocessing } from "../runtime/signal/preprocess.ts";
import { type Adapters, createAdapters } from "./adapters/adapters.ts";
import { createShelf, type Shelf } from "./adapters/shelf.ts";
import type { Board } from "./api/routes.ts";
import { createBoard } from "./board.ts";
import type { Clock } from "./clock.ts";
import type { StationConfig } from "./config/schema.ts";
import type { Disk } from "./disk/disk.ts";
import { openRandomAccess } from "./disk/random-access.ts";
import { stateFile } from "./disk/state-file.ts";
import type { Engine } from "./engine.ts";
import type { FleetLink, LinkPorts } from "./fleet-link.ts";
import { offerOf } from "./fleet-link.ts";
import { createLine, type InferenceLine } from "./inference/line.ts";
import { createIntake, type Intake } from "./intake.ts";
import type { RunJob } from "./rounds/child.ts";
import { historySchema, NO_HISTORY } from "./rounds/record.ts";
import { NO_ROLES, rolesSchema } from "./rounds/roles.ts";
import { createRounds, type Rounds } from "./rounds/rounds.ts";
import { createErase } from "./samples/erase.ts";
import { INDEX_FOLDER } from "./samples/open.ts";
import { sqlIndex } from "./samples/sql-index.ts";
import { createSampleStore, type SampleStore } from "./samples/store.ts";
import type { BrokerAddress } from "./sources/mqtt.ts";
import { openSources, senseOf } from "./sources/open.ts";

export interface StationPorts {
  /** Name of the board, and in the fleet. */
  readonly device: string;
  /** Names of all models that the board serves. */
  readonly models: readonly string[];
  readonly engine: Engine;
  readonly runJob: RunJob;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
  readonly softwareVersion: string;
  /** The fleet's broker, which sources may listen to as well. */
  readonly broker?: BrokerAddress;
  /** Opens the way to the fleet; absent when none is configured. */
  readonly fleet?: (ports: LinkPorts) => FleetLink;
}

/** One model at work: what it hears, remembers, learns and serves. Stations of one board know nothing of each other. */
export interface Station {
  readonly name: string;
  readonly board: Board;
  /** @throws STORAGE_FAILED, and what keeps even the bare base from serving */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** See README.md for the way a sample takes through it. */
export function createStation(config: StationConfig, ports: StationPorts): Station {
  const { device, engine, disk, clock, log } = ports;
  const { card, sha256: baseSha256 } = engine.model;
  const base = { id: card.id, version: card.version, sha256: baseSha256 };
  const labels = card.labels;
  const inData = (...names: string[]) => join(config.data, ...names);

  const erase = createErase(disk, openRandomAccess);
  const store: SampleStore = createSampleStore({
    directory: inData("samples"),
    labels,
    ...config.samples,
    index: sqlIndex(inData("samples", INDEX_FOLDER, "index.db"), erase),
    erase,
    disk,
    clock,
    log,
  });
  const shelf: Shelf = createShelf({ directory: inData("adapters"), disk, log });
  const adapters: Adapters = createAdapters({ shelf, open: engine.open, decode: engine.decode, log });
  const rounds: Rounds = createRounds({
    policy: {
      minNewSamples: config.training.minNewSamples,
      settleMs: config.training.settleSeconds * 1000,
      retryMs: config.training.retrySeconds * 1000,
      holdOut: config.training.holdOut,
    },
    job: {
      model: config.model,
      method: config.training.method,
      ...(config.training.epochs !== undefined && { epochs: config.training.epochs }),
      seed: config.training.seed,
      threads: config.training.threads,
      gate: config.gate,
      board: device,
      candidate: inData("rounds", "candidate.safetensors"),
      checkpoint: inData("rounds", "checkpoint.safetensors"),
      cache: { folder: inData("cache"), maxBytes: config.training.cacheBytes },
    },
    samples: store.list,
    adapters,
    incumbentPath: () => {
      const serving = adapters.serving().adapter();
      return serving === null ? undefined : shelf.pathOf(serving);
    },
    decode: engine.decode,
    runJob: ports.runJob,
    history: stateFile(disk, inData("rounds", "history.json"), historySchema, NO_HISTORY),
    roles: stateFile(disk, inData("rounds", "roles.json"), rolesSchema, NO_ROLES),
    disk,
    clock,
    log,
    onTrained: () => void tellFleet(),
  });

  const link = ports.fleet?.({
    base,
    softwareVersion: ports.softwareVersion,
    directory: inData("sync"),
    readAdapter: shelf.read,
    wants: ({ sha256 }) => isNews(sha256),
    receive,
  });

  const sources = openSources(config, {
    ...{ device, labels, disk, clock, log, random: ports.random },
    ...(ports.broker && { broker: ports.broker }),
    sense: senseOf(fullPreprocessing(card.preprocessing)),
  });

  const line: InferenceLine = createLine(config.inference.queue, clock);
  const intake: Intake = createIntake({
    ...{ engine, adapters, line, store, clock, log },
    stored: rounds.sampleStored,
    inferred: ({ name }, { label, confidence, adapter }) =>
      link?.publishResult({ label, confidence, adapter, input: name }),
  });

  /** What the fleet sent is judged here before it serves. @throws when it could not be judged, so that it is offered again */
  async function receive(bytes: Uint8Array, manifest: Manifest): Promise<void> {
    const { sha256, publisher } = manifest;
    if (shelf.isRefused(sha256)) return;
    try {
      const round = await rounds.appraise(engine.decode(bytes, `adapter ${sha256} of ${publisher}`));
      if (round.outcome.tag === "failed") {
        throw new LichenError("ROUND_CRASHED", { at: `adapter ${sha256}`, found: round.outcome.message });
      }
      tellState();
    } catch (error) {
      const code = errorCode(error);
      if (code !== "ADAPTER_CORRUPT" && code !== "ADAPTER_WRONG_BASE") throw error;
      log.warn({ code, sha256, publisher }, `${error}`);
      await adapters.refuse(sha256, code);
    }
  }

  /** Whether an adapter has never been served or judged here. */
  function isNews(sha256: string): boolean {
    const { current, previous } = shelf.state();
    const judged = rounds.history().some(({ adapter, outcome }) => adapter === sha256 && outcome.tag !== "failed");
    return sha256 !== current && sha256 !== previous && !judged && !shelf.isRefused(sha256);
  }

  /**
   * What was trained here and serves is what the fleet is offered, and what was rolled back is taken back: also when a power cut
   * came between the one and the other.
   */
  async function agreeOnOffer(): Promise<void> {
    const serving = adapters.serving().adapter();
    const adapter = serving === null ? undefined : adapters.known(serving);
    const offered = link?.status().offer?.sha256;
    if (adapter?.description.board === device) {
      if (offered !== serving) await link?.offer(offerOf(adapter));
    } else if (offered !== undefined && shelf.isRefused(offered)) {
      await link?.withdraw();
    }
  }

  async function tellFleet(): Promise<void> {
    tellState();
    await agreeOnOffer().catch((error) => log.error({ err: error }, "the fleet could not be told what is offered"));
  }

  const tellState = () => link?.publishState({ adapter: adapters.serving().adapter() });

  const web = intake.sinkOf("http", "http");
  const problems: Error[] = [];
  const board = createBoard({
    device,
    models: ports.models,
    engine,
    store,
    shelf,
    adapters,
    rounds,
    sources: sources.map(({ source }) => source),
    line,
    ...(link && { link }),
    softwareVersion: ports.softwareVersion,
    clock,
    problems,
    sample: web.sample,
    // What the command asks is a person's question, and nobody else's business.
    infer: (file, from) => (from === "http" ? web.infer(file) : intake.infer(file, from)),
    tellFleet,
  });

  return {
    name: config.name,
    board,
    async start() {
      await store.start();
      problems.push(...(await adapters.start()), ...(await rounds.start()));
      await link?.start();
      await tellFleet();
      for (const { source, origin } of sources) await source.start(intake.sinkOf(source.name, origin));
      log.info({ model: base.id, samples: store.list().length }, "the model is at work");
    },
    async stop() {
      for (const { source } of sources) await source.stop();
      await line.close();
      await rounds.stop();
      await link?.stop();
      await adapters.stop();
      await store.stop();
    },
  };
}
