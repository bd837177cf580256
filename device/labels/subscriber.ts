import type { MqttClient } from "mqtt";
import type { Logger } from "pino";
import { connect } from "../mqtt-client.ts";
import { createPacketBound } from "../sync/packet-bound.ts";
import type { Message } from "./rule.ts";

/** Somebody who listens to topics. It acts from `start` to `stop`. */
export interface Subscriber {
  /** A message counts as received when `hear`, which never rejects, has done with it. */
  start(hear: (message: Message) => Promise<void>): void;
  stop(): Promise<void>;
}

export interface MqttSubscriberOptions {
  readonly broker: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly clientId: string;
  readonly filters: readonly string[];
  /** Between two attempts to reach the broker. */
  readonly reconnectMs?: number;
  readonly log: Logger;
}

const RECONNECT_MS = 5000;

/** Far more than a label or a sensor says; what is bigger is broken off before anybody holds it. */
const MAX_PACKET_BYTES = 4 * 1024 * 1024;

/**
 * Listens with a session that ends with the connection: what a sensor said while nobody listened is about samples long past. QoS 1, so
 * that what is said now comes through.
 */
export function mqttSubscriber(options: MqttSubscriberOptions): Subscriber {
  const { broker, clientId, filters, reconnectMs = RECONNECT_MS, log, ...login } = options;
  let client: MqttClient | undefined;
  let isDown = false;
  return {
    start(hear) {
      client = connect(broker, {
        clientId,
        clean: true,
        reconnectPeriod: reconnectMs,
        resubscribe: false,
        ...(login.username !== undefined && { username: login.username }),
        ...(login.password !== undefined && { password: login.password }),
      });
      // The acknowledgement goes out when this has called back.
      client.handleMessage = ({ topic, payload, retain }, done) => {
        const message = {
          topic,
          payload: typeof payload === "string" ? Buffer.from(payload) : payload,
          retained: retain,
        };
        void hear(message).then(() => done());
      };
      client.on("connect", () => {
        isDown = false;
        const bound = createPacketBound(MAX_PACKET_BYTES);
        const { stream } = client!;
        stream.on("data", (bytes: Uint8Array) => {
          if (bound.push(bytes)) return;
          down(new Error(`a packet of more than ${MAX_PACKET_BYTES} bytes`));
          stream.destroy();
        });
        client?.subscribe([...filters], { qos: 1 }, (error) => {
          if (error) log.warn({ err: error, filters }, "labels cannot be listened for");
        });
      });
      // Once for each time that the broker goes, however long it stays away.
      const down = (error?: Error) => {
        if (!isDown)
          log.warn({ ...(error && { err: error }), broker: new URL(broker).host }, "no labels over MQTT for now");
        isDown = true;
      };
      client.on("error", down);
      client.on("close", () => client?.disconnecting || down());
    },
    async stop() {
      await client?.endAsync(true);
      client = undefined;
    },
  };
}
