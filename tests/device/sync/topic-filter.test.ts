import { expect, test } from "vitest";
import { topicMatches } from "../../../device/sync/topic-filter.ts";

// The examples of MQTT 5.0, 4.7.1.2 and 4.7.1.3, and of 4.7.2.
test.each([
  ["sport/tennis/player1/#", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
  ["sport/#", "sport", true],
  ["#", "any/thing", true],
  ["sport/tennis/+", "sport/tennis/player1", true],
  ["sport/tennis/+", "sport/tennis/player1/ranking", false],
  ["sport/+", "sport", false],
  ["sport/+", "sport/", true],
  ["+/+", "/finance", true],
  ["/+", "/finance", true],
  ["+", "/finance", false],
  ["#", "$SYS/uptime", false],
  ["+/monitor", "$SYS/monitor", false],
  ["$SYS/#", "$SYS/monitor", true],
] as const)("filter %s and topic %s: %s", (filter, topic, matches) => {
  expect(topicMatches(filter, topic)).toBe(matches);
});
