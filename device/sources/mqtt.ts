import type { Logger } from "pino";
import { errorCode, LichenError } from "../../runtime/errors.ts";
import type { Clock } from "../clock.ts";
import { type BrokerAddress, brokerOf } from "../sync/broker.ts";
import { withoutSecrets } from "../sync/connection.ts";
import { createLink, type Link } from "../sync/link.ts";
import { TIMING } from "../sync/sync.ts";
import { topicMatches } from "../sync/topic-filter.ts";
import type { MqttSourceConfig } from "./config.ts";
import { createDelivery, type Delivery } from "./delivery.ts";
import { fileNameOf } from "./file-name.ts";
import type { Source, SourceHealth } from "./source.ts";

export interface MqttSourceOptions {
  readonly config: MqttSourceConfig;
  /** Name of the board. */
  readonly device: string;
  readonly labels: readonly string[];
  /** Where the source listens that names no broker of its own. */
  readonly broker?: BrokerAddress;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
  readonly timing?: Pick<typeof TIMING, "connectMs" | "keepaliveSeconds" | "reconnect" | "leaveMs">;
}

/** Of a packet, what is not the payload: its topic above all. */
const PACKET_OVERHEAD = 70_000;

/**
 * Messages that are files. A sample is acknowledged to the broker when it is on the medium: what could not be stored comes again, also
 * after the board was away, since the broker keeps the session.
 * @throws BAD_CONFIG without a broker, UNKNOWN_CLASS
 */
export function mqttSource(options: MqttSourceOptions): Source {
  const { config, device, labels, clock, timing = TIMING } = options;
  const { name } = config;
  const log = options.log.child({ source: name });
  const rules = config.topics.map(({ topic, label }) => {
    if (label === undefined || labels.includes(label)) return ruleOf(topic, label);
    throw new LichenError("UNKNOWN_CLASS", { at: `source ${name}: ${topic}`, found: label, wanted: labels.join(", ") });
  });
  const address = brokerOf(config, options.broker, `source ${name}: broker`);

  let delivery: Delivery | undefined;
  let problem: SourceHealth["problem"] = null;
  let starts = 0;
  let files = 0;
  let isRunning = false;
  /** A message that is too big would come again with the session that it belongs to. */
  let afresh = false;

  const link: Link = createLink({
    options: () => ({
      ...address,
      clientId: `lichen-${device}-${name}`,
      timeoutMs: timing.connectMs,
      keepaliveSeconds: timing.keepaliveSeconds,
      maxPacketBytes: config.maxBytes + PACKET_OVERHEAD,
      afresh,
    }),
    backoff: timing.reconnect,
    leaveMs: timing.leaveMs,
    up(connection) {
      starts++;
      afresh = false;
      log.info({ broker: withoutSecrets(address.broker) }, "connected to the broker");
      connection.subscribe(rules.map(({ filter }) => filter)).catch(tell);
    },
    take,
    down(error, kind) {
      tell(error);
      if (kind === "too big") afresh = true;
    },
    random: options.random,
    nowMs: clock.monotonicMs,
  });

  function tell(error: unknown): void {
    problem = { code: errorCode(error), message: error instanceof Error ? error.message : String(error) };
    log.info({ code: problem.code, detail: problem.message }, "no messages for now");
  }

  async function take(topic: string, payload: Uint8Array): Promise<void> {
    const found = rules.flatMap(({ matches }) => matches(topic) ?? [])[0];
    // Not asked for, or a retained message that was taken back.
    if (found === undefined || payload.length === 0) return;
    const file = { bytes: payload, name: fileNameOf(payload, `${name}-${++files}`), at: `${name}: ${topic}` };
    await delivery?.deliver(file, found.label);
  }

  return {
    name,
    async start(sink) {
      delivery = createDelivery(sink, log);
      isRunning = true;
      link.start();
    },
    async stop() {
      isRunning = false;
      await link.stop();
    },
    counts: () => delivery?.counts() ?? { accepted: 0, inferred: 0, rejected: 0 },
    health: () => ({
      state: !isRunning ? "stopped" : link.status().connected ? "running" : "waiting",
      problem,
      starts,
      skipped: delivery?.skipped() ?? 0,
    }),
  };
}

interface Rule {
  /** As the broker understands it. */
  readonly filter: string;
  /** @returns what to do with a message on this topic; undefined for topics of other rules */
  matches(topic: string): { readonly label: string | undefined } | undefined;
}

/** A topic of the configuration: a filter in which `{label}` stands for a level as `+` does, but for no empty one. */
function ruleOf(topic: string, label: string | undefined): Rule {
  const levels = topic.split("/");
  const at = levels.indexOf(LABEL);
  const filter = levels.map((level) => (level === LABEL ? "+" : level)).join("/");
  return {
    filter,
    matches(asked) {
      if (!topicMatches(filter, asked)) return undefined;
      const spoken = at < 0 ? undefined : asked.split("/")[at];
      return spoken === "" ? undefined : { label: label ?? spoken };
    },
  };
}

const LABEL = "{label}";
