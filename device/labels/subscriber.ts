import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import type { BrokerAddress } from "../sync/broker.ts";
import { createLink, type Link } from "../sync/link.ts";
import { TIMING } from "../sync/sync.ts";
import type { Message } from "./rule.ts";

/** Somebody who listens to topics. It acts from `start` to `stop`. */
export interface Subscriber {
  /** A message counts as received when `hear`, which never rejects, has done with it. */
  start(hear: (message: Message) => Promise<void>): void;
  stop(): Promise<void>;
}

export interface MqttSubscriberOptions extends BrokerAddress {
  readonly clientId: string;
  readonly filters: readonly string[];
  /** Between two attempts to reach the broker. */
  readonly reconnectMs?: number;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Logger;
  random(): number;
}

const RECONNECT_MS = 5000;

/** Far more than a label or a sensor says; what is bigger is broken off before anybody holds it. */
const MAX_PACKET_BYTES = 4 * 1024 * 1024;

/**
 * Listens with a session that ends with the connection: what a sensor said while nobody listened is about samples long past. QoS 1, so
 * that what is said now comes through.
 */
export function mqttSubscriber(options: MqttSubscriberOptions): Subscriber {
  const { broker, username, password, clientId, filters, reconnectMs = RECONNECT_MS, log } = options;
  let link: Link | undefined;
  let isDown = false;
  return {
    start(hear) {
      link = createLink({
        options: () => ({
          ...{ broker, username, password, clientId },
          timeoutMs: TIMING.connectMs,
          keepaliveSeconds: TIMING.keepaliveSeconds,
          maxPacketBytes: MAX_PACKET_BYTES,
          afresh: true,
          sessionSeconds: 0,
        }),
        backoff: { firstMs: reconnectMs, mostMs: reconnectMs },
        leaveMs: TIMING.leaveMs,
        up(connection) {
          isDown = false;
          connection
            .subscribe(filters)
            .catch((error) => log.warn({ err: error, filters }, "labels cannot be listened for"));
        },
        take: (topic, payload, retained) => hear({ topic, payload, retained }),
        // Once for each time that the broker goes, however long it stays away.
        down(error, kind) {
          // Who speaks another version is asked again in that one, at once.
          if (kind === "version" && link?.status().failures === 1) return;
          if (!isDown) log.warn({ err: error, broker: new URL(broker).host }, "no labels over MQTT for now");
          isDown = true;
        },
        random: options.random,
        nowMs: options.clock.monotonicMs,
      });
      link.start();
    },
    stop: async () => link?.stop(),
  };
}
