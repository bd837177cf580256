import { join } from "node:path";
import type { Logger } from "pino";
import { fullPreprocessing } from "../runtime/signal/preprocess.ts";
import { type Adapters, createAdapters, type Reading } from "./adapters/adapters.ts";
import { createKeeper, type Keeper } from "./adapters/keeper.ts";
import { createShelf, type Shelf } from "./adapters/shelf.ts";
import { NO_STANDING, standingSchema } from "./adapters/standing.ts";
import type { Board } from "./api/routes.ts";
import { createBoard } from "./board.ts";
import type { Clock } from "./clock.ts";
import type { StationConfig } from "./config/schema.ts";
import type { Disk } from "./disk/disk.ts";
import { removeTemporaries } from "./disk/durable.ts";
import { openRandomAccess } from "./disk/random-access.ts";
import { stateFile } from "./disk/state-file.ts";
import type { Engine } from "./engine.ts";
import { createFleetExchange, type FleetExchange } from "./fleet-exchange.ts";
import type { FleetLink, LinkPorts } from "./fleet-link.ts";
import { readAvailableBytes } from "./governor/free-memory.ts";
import type { Governor } from "./governor/governor.ts";
import { createResourceMeter } from "./governor/resources.ts";
import type { System } from "./governor/system.ts";
import { createLine, type InferenceLine } from "./inference/line.ts";
import type { ResultsOptions, ResultsPublisher } from "./inference/results.ts";
import { type InferencePace, inferencePace } from "./inference-pace.ts";
import { createIntake, type Intake } from "./intake.ts";
import { labelTopic } from "./labels/config.ts";
import { createLabelling } from "./labels/labelling.ts";
import { mqttSubscriber, type Subscriber } from "./labels/subscriber.ts";
import type { AliveFacts } from "./operation/alive.ts";
import { createPulse, type Pulse } from "./operation/pulse.ts";
import type { Jobs } from "./rounds/child.ts";
import { NO_ROUND, roundFileSchema } from "./rounds/machine.ts";
import { NO_PLAN, planSchema } from "./rounds/plan.ts";
import { historySchema, NO_HISTORY } from "./rounds/record.ts";
import { NO_ROLES, rolesSchema } from "./rounds/roles.ts";
import { createRounds, type Rounds } from "./rounds/rounds.ts";
import { type Curator, createCurator } from "./samples/curator.ts";
import { createErase } from "./samples/erase.ts";
import { preprocessingId } from "./samples/features.ts";
import { INDEX_FOLDER } from "./samples/open.ts";
import { sqlIndex } from "./samples/sql-index.ts";
import { createSampleStore, type SampleStore } from "./samples/store.ts";
import { openSources, senseOf } from "./sources/open.ts";
import type { Sink } from "./sources/source.ts";
import type { BrokerAddress } from "./sync/broker.ts";

export interface StationPorts {
  /** Name of the board, and in the fleet. */
  readonly device: string;
  /** Names of all models that the board serves. */
  readonly models: readonly string[];
  readonly engine: Engine;
  readonly jobs: Jobs;
  /** The model of this board that trains now, where it is another one. */
  elsewhere(): string | null;
  readonly governor: Governor;
  readonly system: System;
  readonly wattsPerCore: number;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
  /** The configuration that holds now, where it may change; see operation/reload.ts for what may. */
  readonly live?: () => StationConfig;
  /** What is wrong with the daemon as a whole, for the status. */
  readonly notices?: () => readonly Error[];
  readonly softwareVersion: string;
  /** Opens the way to whoever listens to results; absent when none is configured. */
  readonly results?: (of: Pick<ResultsOptions, "model" | "stateFile">) => ResultsPublisher;
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
  isTraining(): boolean;
  /** What the watchdog is told of the work in hand. */
  work(): Pick<AliveFacts, "inferenceMs" | "sources">;
}

/** See README.md for the way a sample takes through it. */
export function createStation(config: StationConfig, ports: StationPorts): Station {
  const { device, engine, disk, clock, log } = ports;
  const { card, sha256: baseSha256 } = engine.model;
  const base = { id: card.id, version: card.version, sha256: baseSha256 };
  const labels = card.labels;
  const live = ports.live ?? (() => config);
  const inData = (...names: string[]) => join(config.data, ...names);

  const erase = createErase(disk, openRandomAccess);
  const store: SampleStore = createSampleStore({
    directory: inData("samples"),
    labels,
    madeBy: preprocessingId(card.preprocessing),
    ...config.samples,
    get maxBytes() {
      return live().samples.maxBytes;
    },
    index: sqlIndex(inData("samples", INDEX_FOLDER, "index.db"), erase),
    erase,
    disk,
    clock,
    log,
    beforeChange: (sha256s) => rounds.forget(sha256s),
  });
  const line: InferenceLine = createLine(config.inference.queue, clock);
  const pace: InferencePace = inferencePace(line);
  const shelf: Shelf = createShelf({
    directory: inData("adapters"),
    disk,
    log,
    alsoKept: () => [keeper.standing().good, keeper.standing().pinned?.adapter ?? null],
  });
  const adapters: Adapters = createAdapters({
    shelf,
    open: engine.open,
    decode: engine.decode,
    log,
    beforeLoad: () => keeper.beforeLoad(),
    lastKnownGood: () => keeper.standing().good,
  });
  const keeper: Keeper = createKeeper({
    shelf,
    adapters,
    file: stateFile(disk, inData("adapters", "standing.json"), standingSchema, NO_STANDING),
    config: config.adapters,
    clock,
    log,
    onReverted: () => void servingChanged(),
  });
  const rounds: Rounds = createRounds({
    policy: {
      holdOut: config.training.holdOut,
      unlabelled: config.training.unlabelled,
      shadow: config.shadow,
      pause: config.training.pause,
    },
    job: {
      model: config.model,
      get method() {
        return live().training.method;
      },
      get epochs() {
        return live().training.epochs;
      },
      get align() {
        return live().training.align;
      },
      get seed() {
        return live().training.seed;
      },
      get threads() {
        return live().training.threads;
      },
      get gate() {
        return live().gate;
      },
      board: device,
      candidate: inData("rounds", "candidate.safetensors"),
      checkpoint: inData("rounds", "checkpoint.safetensors"),
      cache: { folder: inData("cache"), maxBytes: config.training.cacheBytes },
    },
    samples: store.list,
    unlabelled: store.unlabelled,
    keeper,
    incumbent: () => {
      const sha256 = adapters.serving().adapter();
      return sha256 === null ? null : { sha256, path: shelf.pathOf(sha256) };
    },
    decode: engine.decode,
    runJob: ports.jobs.run,
    elsewhere: ports.elsewhere,
    decide: (round) => ports.governor.decide(round, pace.facts(round.phase)),
    meter: () => createResourceMeter({ system: ports.system, clock, wattsPerCore: ports.wattsPerCore }),
    shadow: {
      open: engine.open,
      availableBytes: () => readAvailableBytes(ports.system),
      isBusy: () => adapters.serving().isBusy(),
    },
    state: stateFile(disk, inData("rounds", "state.json"), roundFileSchema, NO_ROUND),
    plan: stateFile(disk, inData("rounds", "plan.json"), planSchema, NO_PLAN),
    history: stateFile(disk, inData("rounds", "history.json"), historySchema, NO_HISTORY),
    roles: stateFile(disk, inData("rounds", "roles.json"), rolesSchema, NO_ROLES),
    disk,
    clock,
    log,
    onTrained: () => void fleet.tell(),
  });

  const fleet: FleetExchange = createFleetExchange({
    ...{ device, engine, shelf, adapters, keeper, rounds, log },
    softwareVersion: ports.softwareVersion,
    directory: inData("sync"),
    open: ports.fleet,
  });
  const { link } = fleet;

  const results = ports.results?.({
    model: { name: config.name, id: card.id, version: card.version, labels },
    stateFile: inData("results", "announced.json"),
  });

  const sources = openSources(config, {
    ...{ device, labels, disk, clock, log, random: ports.random },
    ...(ports.broker && { broker: ports.broker }),
    sense: senseOf(fullPreprocessing(card.preprocessing)),
  });

  const isKept = config.samples.privacy !== "none";
  const intake: Intake = createIntake({
    ...{ engine, adapters, line, store, clock, log },
    keeping: {
      // A second sensor speaks of what came before: that has to be there then.
      unlabelled: isKept && (config.samples.keepUnlabelled || config.labels.rules.length > 0),
      confidence: isKept ? config.labels.confidence : undefined,
    },
    stored: rounds.sampleStored,
    answered(input, output, adapter) {
      keeper.answered(adapter, output.confidence);
      rounds.seen(input, output);
    },
    labelled: (input, label) => void tryOut(input, label),
    inferred({ name }, inference, source) {
      const { label, confidence, adapter } = inference;
      link?.publishResult({ label, confidence, adapter, input: name });
      results?.publish({ ...inference, file: name, source });
    },
  });

  /**
   * What serves answers a sample that has just been labelled, before it is trained on: how often it is right is how good it is, here and
   * now.  @see Dawid 1984, J. R. Stat. Soc. A 147:278, prequential analysis
   */
  async function tryOut(input: Reading, label: string): Promise<void> {
    const isOfUse = keeper.wantsLabelled() || rounds.state().tag === "shadowing";
    // Of a flood, some tell as much as all.
    if (!isOfUse || beingTried >= 4) return;
    beingTried++;
    try {
      const { output, adapter } = await adapters.serving().consider(input);
      keeper.labelled(adapter, output.label === label);
      rounds.seen(input, output, label);
    } catch (error) {
      log.debug({ err: error }, "a labelled sample could not be tried out");
    } finally {
      beingTried--;
    }
  }

  /** Something else serves, or may serve, than what was trained or judged last. */
  async function servingChanged(): Promise<void> {
    rounds.servingChanged();
    await fleet.tell();
  }

  const { mqtt: spoken, rules } = config.labels;
  const topic = spoken?.topic ?? labelTopic(device, config.name);
  const labelling = createLabelling({
    ...{ store, rules, topic, clock, log },
    onLabelled: rounds.sampleStored,
    onJudged: (prediction, label) => keeper.labelled(prediction.adapter, prediction.label === label),
  });
  const listener: Subscriber | undefined =
    spoken &&
    mqttSubscriber({
      ...spoken,
      clientId: `lichen-labels-${device}-${config.name}`,
      filters: [...new Set([topic, ...rules.map((rule) => rule.topic)])],
      ...{ clock, log, random: ports.random },
    });
  const curator: Curator = createCurator({
    ...{ store, labelling, erase, disk, clock },
    take: intake.take,
    about: { device, model: base },
    traces: [inData("cache"), inData("rounds", "checkpoint.safetensors"), inData("rounds", "candidate.safetensors")],
    spares: [inData("rounds", "roles.previous.json"), inData("rounds", "plan.previous.json")],
    whileIdle: (act) => rounds.whileIdle(act),
  });

  let beingTried = 0;
  const web = intake.sinkOf("http", "http");
  const problems: Error[] = [];
  const board = createBoard({
    device,
    models: ports.models,
    engine,
    store,
    shelf,
    adapters,
    keeper,
    rounds,
    sources: sources.map(({ source }) => source),
    explain() {
      const round = rounds.facts();
      return ports.governor.explain(round, pace.facts(round.phase));
    },
    line,
    ...(link && { link }),
    ...(results && { results }),
    softwareVersion: ports.softwareVersion,
    clock,
    problems,
    ...(ports.notices && { notices: ports.notices }),
    curator,
    sample: web.sample,
    // What the command asks is a person's question, and nobody else's business.
    infer: (file, from) => (from === "http" ? web.infer(file) : intake.infer(file, from)),
    servingChanged,
  });

  const pulses = new Map<string, Pulse>(sources.map(({ source }) => [source.name, createPulse(clock)]));
  const pulseOf = (name: string) => pulses.get(name)!;

  return {
    name: config.name,
    board,
    isTraining: rounds.isTraining,
    work: () => ({
      inferenceMs: line.busyMs(),
      sources: [...pulses].map(([name, { busyMs }]) => ({ name, busyMs: busyMs() })),
    }),
    async start() {
      await ports.jobs.endStrays();
      // Only now does nobody write there any more.
      await removeTemporaries(disk, inData("rounds"));
      await store.start();
      problems.push(...(await adapters.start()));
      keeper.start();
      problems.push(...(await rounds.start()));
      await link?.start();
      await results?.start();
      await fleet.tell();
      for (const { source, origin } of sources)
        await source.start(felt(intake.sinkOf(source.name, origin), pulseOf(source.name)));
      listener?.start(labelling.hear);
      log.info({ model: base.id, samples: store.list().length }, "the model is at work");
    },
    async stop() {
      for (const { source } of sources) await source.stop();
      await listener?.stop();
      await line.close();
      await results?.stop();
      await rounds.stop();
      await link?.stop();
      await keeper.stop();
      await adapters.stop();
      await store.stop();
    },
  };
}

/** A sink whose work in hand can be felt from outside. */
const felt = (sink: Sink, { around }: Pulse): Sink => ({
  sample: (file, label) => around(() => sink.sample(file, label)),
  infer: (file) => around(() => sink.infer(file)),
});
