import type { Logger } from "pino";
import * as z from "zod";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import type { Disk } from "../disk/disk.ts";
import { stateFile } from "../disk/state-file.ts";
import type { Inference } from "../sources/source.ts";
import { type BrokerAddress, brokerOf } from "../sync/broker.ts";
import { type Connection, withoutSecrets } from "../sync/connection.ts";
import { createLink, type Link, type LinkStatus } from "../sync/link.ts";
import { TIMING } from "../sync/sync.ts";
import { announcements, OFFLINE, ONLINE } from "./home-assistant.ts";
import type { ResultsConfig } from "./results-config.ts";

/** What is told of one inference. */
export interface PlainResult extends Inference {
  readonly file: string;
  readonly source: string;
}

/** Results on a plain topic. A broker that is not there is no error: the newest results wait, and older ones are counted. */
export interface ResultsPublisher {
  start(): Promise<void>;
  publish(result: PlainResult): void;
  /** Takes leave: whoever listens sees this board go. */
  stop(): Promise<void>;
  /** Takes back, for good, what the broker keeps of this model: when it is given up.  @throws BROKER_UNREACHABLE */
  withdraw(): Promise<void>;
  status(): LinkStatus & { readonly waiting: number; readonly dropped: number };
}

export interface ResultsOptions {
  readonly config: ResultsConfig;
  /** Of the fleet, for a configuration that names none. */
  readonly fleet?: BrokerAddress;
  readonly device: string;
  readonly model: {
    readonly name: string;
    readonly id: string;
    readonly version: string;
    readonly labels: readonly string[];
  };
  readonly softwareVersion: string;
  /** What has been announced, so that it can be taken back. */
  readonly stateFile: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
  readonly timing?: Pick<typeof TIMING, "connectMs" | "keepaliveSeconds" | "reconnect" | "leaveMs">;
}

/** Results that wait for a connection: whoever looks at them wants to know what is now. */
const MOST_WAITING = 100;

const announcedSchema = z.strictObject({ topics: z.array(z.string()) });

/** @throws BAD_CONFIG without a broker */
export function createResults(options: ResultsOptions): ResultsPublisher {
  const { config, device, model, log, timing = TIMING } = options;
  const address = brokerOf(config, options.fleet, "results.broker");
  const topics = resultTopics(config.prefix, device, model.name);
  const state = stateFile(options.disk, options.stateFile, announcedSchema, { topics: [] });
  let announced: readonly string[] = [];
  const wanted = config.homeAssistant.enabled
    ? announcements({
        ...{ device, topics, softwareVersion: options.softwareVersion },
        prefix: config.homeAssistant.prefix,
        model: model.name,
        modelId: model.id,
        modelVersion: model.version,
        labels: model.labels,
      })
    : [];
  const waiting: Uint8Array[] = [];
  let sequence = 0;
  let dropped = 0;
  let isDraining = false;

  const link: Link = createLink({
    options: () => ({
      ...address,
      clientId: `lichen-${device}-${model.name}-results`,
      timeoutMs: timing.connectMs,
      keepaliveSeconds: timing.keepaliveSeconds,
      will: { topic: topics.availability, payload: bytesOf(OFFLINE) },
    }),
    backoff: timing.reconnect,
    leaveMs: timing.leaveMs,
    up(connection) {
      log.info({ broker: withoutSecrets(address.broker), topic: topics.result }, "results go to the broker");
      announce(connection).catch(tell);
      void drain();
    },
    down: tell,
    random: options.random,
    nowMs: options.clock.monotonicMs,
  });

  function tell(error: unknown): void {
    log.info({ code: errorCode(error), detail: `${error}` }, "results wait for the broker");
  }

  /** Also takes back what was announced before and is not wanted any more. */
  async function announce(connection: Connection): Promise<void> {
    await connection.publish(topics.availability, bytesOf(ONLINE), true);
    const names = wanted.map(({ topic }) => topic);
    const stale = announced.filter((topic) => !names.includes(topic));
    // On disk before it is on the broker: what was announced can be taken back whenever the power went.
    await remember([...stale, ...names]);
    for (const topic of stale) await connection.publish(topic, NOTHING, true);
    for (const { topic, payload } of wanted) await connection.publish(topic, bytesOf(payload), true);
    await remember(names);
  }

  async function remember(names: readonly string[]): Promise<void> {
    if (names.length === announced.length && names.every((name) => announced.includes(name))) return;
    await state.save({ topics: [...names] });
    announced = names;
  }

  async function drain(): Promise<void> {
    if (isDraining) return;
    isDraining = true;
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        const connection = link.connection();
        if (connection === undefined) break;
        await connection.publish(topics.result, next, config.retain);
        // It may have been dropped meanwhile.
        if (waiting[0] === next) waiting.shift();
      }
    } catch {
      // The connection broke: it goes on with the next one.
    } finally {
      isDraining = false;
    }
  }

  return {
    async start() {
      const { value, damage } = await state.load();
      for (const error of damage) log.warn({ code: error.code }, error.message);
      announced = value.topics;
      link.start();
    },
    publish(result) {
      const told = { schema: "lichen/result/1", device, model: model.name, sequence: sequence++, ...result };
      waiting.push(bytesOf(JSON.stringify(told)));
      if (waiting.length > MOST_WAITING) {
        waiting.shift();
        dropped++;
      }
      void drain();
    },
    stop: () => link.stop((connection) => connection.publish(topics.availability, bytesOf(OFFLINE), true)),
    async withdraw() {
      const connection = link.connection();
      if (connection === undefined)
        throw new LichenError("BROKER_UNREACHABLE", { at: withoutSecrets(address.broker), found: "no connection" });
      for (const topic of [...announced, topics.result]) await connection.publish(topic, NOTHING, true);
      await remember([]);
    },
    status: () => ({ ...link.status(), waiting: waiting.length, dropped }),
  };
}

/** Names of boards and models cannot hold a slash. */
export const resultTopics = (prefix: string, device: string, model: string) => ({
  result: `${prefix}/${device}/${model}/result`,
  availability: `${prefix}/${device}/${model}/availability`,
});

const NOTHING = new Uint8Array();
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
