import { ONLY_STATION } from "../config/schema.ts";
/** A message that the broker keeps. An empty payload takes it back. */
export interface Retained {
  readonly topic: string;
  readonly payload: string;
}

export interface Announced {
  /** Where Home Assistant looks for announcements. */
  readonly prefix: string;
  readonly device: string;
  /** As it is asked for; in topics. */
  readonly model: string;
  /** Of the model package. */
  readonly modelId: string;
  readonly modelVersion: string;
  readonly labels: readonly string[];
  readonly softwareVersion: string;
  readonly topics: { readonly result: string; readonly availability: string };
}

export const ONLINE = "online";
export const OFFLINE = "offline";

/** What is shown, from the JSON of a result. */
const SENSORS = {
  label: ({ labels }: Announced) => ({
    name: "Label",
    device_class: "enum",
    options: labels,
    value_template: "{{ value_json.label }}",
    icon: "mdi:tag-outline",
  }),
  confidence: () => ({
    name: "Confidence",
    unit_of_measurement: "%",
    state_class: "measurement",
    suggested_display_precision: 1,
    value_template: "{{ (value_json.confidence * 100) | round(2) }}",
    icon: "mdi:gauge",
  }),
};

/**
 * MQTT discovery messages, one a sensor, which Home Assistant shows as one device.
 * @see https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery, https://www.home-assistant.io/integrations/sensor.mqtt/
 */
export function announcements(announced: Announced): Retained[] {
  const { prefix, device, model, modelId, modelVersion, softwareVersion, topics } = announced;
  // Names of devices and models are letters, digits, _ and -, as Home Assistant wants an object's id.
  const board = `lichen_${device}_${model}`;
  return Object.entries(SENSORS).map(([key, sensor]) => ({
    topic: `${prefix}/sensor/${board}_${key}/config`,
    payload: JSON.stringify({
      ...sensor(announced),
      unique_id: `${board}_${key}`,
      state_topic: topics.result,
      json_attributes_topic: topics.result,
      availability_topic: topics.availability,
      payload_available: ONLINE,
      payload_not_available: OFFLINE,
      device: {
        identifiers: [board],
        name: model === ONLY_STATION ? device : `${device} ${model}`,
        manufacturer: "Lichen",
        model: `${modelId} ${modelVersion}`,
        sw_version: softwareVersion,
      },
      origin: { name: "lichen", sw_version: softwareVersion },
    }),
  }));
}
