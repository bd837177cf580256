import { createRequire } from "node:module";
import type * as Mqtt from "mqtt";

/**
 * mqtt.js, loaded when the first connection is wanted: it holds 9 MB and takes a third of a daemon's start, and a board without a broker
 * needs none of it.
 */
export const connect = (broker: string, options: Mqtt.IClientOptions): Mqtt.MqttClient =>
  (createRequire(import.meta.url)("mqtt") as typeof Mqtt).connect(broker, options);
