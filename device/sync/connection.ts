import { Socket } from "node:net";
import type { IClientOptions, MqttClient } from "mqtt";
import { LichenError } from "../../runtime/errors.ts";
import { connect } from "../mqtt-client.ts";
import type { BrokerAddress } from "./broker.ts";
import { createPacketBound } from "./packet-bound.ts";

export type MqttVersion = 4 | 5;

export interface ConnectionOptions extends BrokerAddress {
  readonly clientId: string;
  readonly version: MqttVersion;
  readonly timeoutMs: number;
  readonly keepaliveSeconds: number;
  /** What the broker publishes, retained, when this connection breaks. */
  readonly will?: { topic: string; payload: Uint8Array };
  /** Whether what the broker has kept for this client is to be forgotten. */
  readonly afresh?: boolean;
  /** How long the broker keeps what comes for this client while it is away; without it a week. */
  readonly sessionSeconds?: number;
  /** A bigger packet ends the connection; brokers that speak MQTT 5 do not even send it. */
  readonly maxPacketBytes?: number;
}

/** Why a connection ended, or never came to be. */
export interface Ending {
  readonly kind: EndingKind;
  readonly error: LichenError;
}
/**
 * `version`: the broker speaks another version of MQTT, or hung up before it said a word, as some brokers do then.
 * `too big`: a packet was beyond `maxPacketBytes`; it comes again with the session that it belongs to.
 */
export type EndingKind = "unreachable" | "refused" | "version" | "lost" | "too big";

export interface ConnectionEvents {
  /** Comes before the first message. */
  up(connection: Connection): void;
  message?(topic: string, payload: Uint8Array): void;
  /**
   * Where it is given, a message is acknowledged when it has resolved; when it rejects the connection is broken, so that it comes again.
   * @param retained the broker kept it from before this connection
   */
  take?(topic: string, payload: Uint8Array, retained: boolean): Promise<void>;
  /** Comes exactly once, last. */
  down(ending: Ending): void;
}

/** One connection, from CONNACK to its end; it does not come back. */
export interface Connection {
  readonly version: MqttVersion;
  /** QoS 1: resolves when the broker has it.  @throws BROKER_UNREACHABLE when the connection ends before */
  publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void>;
  /** QoS 1.  @throws BROKER_UNREACHABLE, BROKER_REFUSED */
  subscribe(filters: readonly string[]): Promise<void>;
}

export interface Attempt {
  /** Bytes on the wire so far, MQTT's own included. */
  traffic(): { sent: number; received: number };
  /** Takes leave of the broker, which then does not publish the Will; resolves when the socket is closed. */
  end(): Promise<void>;
  /** Breaks the connection at once. */
  abort(): void;
}

/**
 * Tries once to connect. mqtt.js keeps the packets, this side keeps its own order of what must arrive: nothing is
 * left in mqtt.js's queues when a connection ends.
 */
export function openConnection(options: ConnectionOptions, events: ConnectionEvents): Attempt {
  const client = connect(options.broker, clientOptions(options));
  const unsettled = new Set<(error: LichenError) => void>();
  let up = false;
  let failure: unknown;
  let over = false;
  let close: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });

  // A promise of mqtt.js may stay open for ever when the connection breaks; these do not.
  function settled(act: (done: (error?: unknown) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (over) return reject(endingOf(options, up, failure).error);
      unsettled.add(reject);
      act((error) => {
        unsettled.delete(reject);
        if (error === undefined || error === null) resolve();
        else reject(endingOf(options, up, error).error);
      });
    });
  }

  const connection: Connection = {
    version: options.version,
    publish: (topic, payload, retain) =>
      settled((done) => client.publish(topic, Buffer.from(payload), { qos: 1, retain }, done)),
    subscribe: (filters) => settled((done) => client.subscribe([...filters], { qos: 1 }, done)),
  };

  client.on("connect", () => {
    up = true;
    // Small packets that wait for each other's acknowledgement: with Nagle's algorithm each window would cost 40 ms more.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
    events.up(connection);
  });
  client.on("message", (topic, payload) => events.message?.(topic, payload));
  const { take } = events;
  if (take !== undefined) {
    client.handleMessage = ({ topic, payload, retain }, done) => {
      const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
      void take(topic, bytes, retain).then(() => done(), breakOff);
    };
  }
  if (options.maxPacketBytes !== undefined) {
    const bound = createPacketBound(options.maxPacketBytes);
    client.stream.on("data", (bytes: Uint8Array) => {
      if (!bound.push(bytes)) breakOff(new TooBig(`a packet of more than ${options.maxPacketBytes} bytes`));
    });
  }
  function breakOff(reason: unknown): void {
    failure ??= reason;
    client.stream.destroy();
  }
  client.on("error", (error) => {
    failure ??= error;
    // Some errors leave the socket open, such as bytes that are no MQTT.
    client.stream.destroy();
  });
  client.on("close", () => {
    if (over) return;
    over = true;
    const ending = endingOf(options, up, failure);
    client.end(true);
    for (const reject of unsettled) reject(ending.error);
    unsettled.clear();
    events.down(ending);
    close();
  });

  return {
    traffic: () => trafficOf(client),
    async end() {
      if (over) return;
      client.end(!up);
      // Not mqtt.js's own callback: that one waits for acknowledgements that may never come.
      await closed;
    },
    abort: () => client.stream.destroy(),
  };
}

class TooBig extends Error {}

/** Seconds that a broker keeps the session of a device that is away: a week. */
const SESSION_SECONDS = 604_800;

const clientOptions = (options: ConnectionOptions): IClientOptions => ({
  clientId: options.clientId,
  protocolVersion: options.version,
  clean: options.afresh ?? false,
  ...(options.version === 5 && {
    properties: {
      sessionExpiryInterval: options.sessionSeconds ?? SESSION_SECONDS,
      ...(options.maxPacketBytes !== undefined && { maximumPacketSize: options.maxPacketBytes }),
    },
  }),
  ...(options.username !== undefined && { username: options.username }),
  ...(options.password !== undefined && { password: options.password }),
  connectTimeout: options.timeoutMs,
  keepalive: options.keepaliveSeconds,
  // Coming back, and what to say again then, is this side's decision.
  reconnectPeriod: 0,
  resubscribe: false,
  timerVariant: "native",
  ...(options.will && {
    will: { topic: options.will.topic, payload: Buffer.from(options.will.payload), qos: 1, retain: true },
  }),
});

/** MQTT 3.1.1 §3.2.2.3 and MQTT 5 §3.2.2.2: the codes that say "another version", and those that say "not you". */
const VERSION_CODES = new Set([1, 132]);
const REFUSAL_CODES = new Set([2, 4, 5, 133, 134, 135, 138, 140]);

function endingOf(options: ConnectionOptions, up: boolean, failure: unknown): Ending {
  const code = typeof failure === "object" && failure !== null && "code" in failure ? failure.code : undefined;
  const found = failure instanceof Error ? failure.message || String(code) : "the connection was closed";
  const at = withoutSecrets(options.broker);
  const refused = typeof code === "number" && REFUSAL_CODES.has(code);
  const error = new LichenError(refused ? "BROKER_REFUSED" : "BROKER_UNREACHABLE", { at, found, cause: failure });
  if (refused) return { kind: "refused", error };
  if (failure instanceof TooBig) return { kind: "too big", error };
  if (up) return { kind: "lost", error };
  // A system error (a string such as ECONNREFUSED) says nothing of the version; a hang-up, or bytes that do not parse, may.
  return {
    kind: typeof code === "string" ? "unreachable" : isVersion(code, failure) ? "version" : "unreachable",
    error,
  };
}

const isVersion = (code: unknown, failure: unknown): boolean =>
  typeof code === "number" ? VERSION_CODES.has(code) : !isTimeout(failure);

const isTimeout = (failure: unknown): boolean =>
  failure instanceof Error && failure.message.startsWith("connack timeout");

/** An address may carry a password; logs and the status must not. */
export function withoutSecrets(broker: string): string {
  const url = new URL(broker);
  url.username = "";
  url.password = "";
  return url.href;
}

function trafficOf({ stream }: MqttClient): { sent: number; received: number } {
  return { sent: numberAt(stream, "bytesWritten"), received: numberAt(stream, "bytesRead") };
}

const numberAt = (value: object, key: string): number => {
  const found: unknown = Reflect.get(value, key);
  return typeof found === "number" ? found : 0;
};
