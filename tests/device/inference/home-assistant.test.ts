import { expect, test } from "vitest";
import { announcements } from "../../../device/inference/home-assistant.ts";

test("two sensors of one device, as Home Assistant's documentation wants them", () => {
  const made = announcements({
    prefix: "homeassistant",
    device: "box-7",
    model: "ears",
    modelId: "spoken-digits",
    modelVersion: "1.0.0",
    labels: ["one", "two"],
    softwareVersion: "0.1.0",
    topics: { result: "lichen/results/box-7/ears/result", availability: "lichen/results/box-7/ears/availability" },
  });
  const shared = {
    state_topic: "lichen/results/box-7/ears/result",
    json_attributes_topic: "lichen/results/box-7/ears/result",
    availability_topic: "lichen/results/box-7/ears/availability",
    payload_available: "online",
    payload_not_available: "offline",
    device: {
      identifiers: ["lichen_box-7_ears"],
      name: "box-7 ears",
      manufacturer: "Lichen",
      model: "spoken-digits 1.0.0",
      sw_version: "0.1.0",
    },
    origin: { name: "lichen", sw_version: "0.1.0" },
  };
  expect(made.map(({ topic, payload }) => [topic, JSON.parse(payload)])).toEqual([
    [
      "homeassistant/sensor/lichen_box-7_ears_label/config",
      {
        ...shared,
        name: "Label",
        unique_id: "lichen_box-7_ears_label",
        device_class: "enum",
        options: ["one", "two"],
        value_template: "{{ value_json.label }}",
        icon: "mdi:tag-outline",
      },
    ],
    [
      "homeassistant/sensor/lichen_box-7_ears_confidence/config",
      {
        ...shared,
        name: "Confidence",
        unique_id: "lichen_box-7_ears_confidence",
        unit_of_measurement: "%",
        state_class: "measurement",
        suggested_display_precision: 1,
        value_template: "{{ (value_json.confidence * 100) | round(2) }}",
        icon: "mdi:gauge",
      },
    ],
  ]);
});
