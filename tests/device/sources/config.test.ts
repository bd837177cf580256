import { expect, test } from "vitest";
import { parseConfig } from "../../../device/config/load.ts";

const parse = (...lines: string[]) => parseConfig(["model: m", ...lines].join("\n"), "/etc/lichen/lichend.yaml");

test("sources of every kind, with their defaults, and with paths made absolute", () => {
  const [station] = parse(
    "sources:",
    "  - { kind: command, argv: [arecord, -q, -t, wav], stream: wav }",
    "  - { kind: mqtt, broker: 'mqtt://b', topics: [{ topic: 'a/{label}' }] }",
    "  - { kind: folder, folder: in }",
  ).stations;
  expect(station?.workingFolder).toBe("/etc/lichen");
  expect(station?.sources).toMatchObject([
    { name: "command", argv: ["arecord", "-q", "-t", "wav"], overlap: 0.5, silenceDecibels: -60, hangSeconds: 60 },
    { name: "mqtt", topics: [{ topic: "a/{label}" }] },
    { name: "folder", folder: "/etc/lichen/in", stableMs: 300 },
  ]);
  expect(parse().stations[0]?.sources).toEqual([]);
  expect(parse().stations[0]?.inference.queue).toEqual({ bound: 32, policy: "reject" });
});

test.each([
  [
    "a mistyped key in a list",
    ["sources:", "  - kind: command", "    streem: wav"],
    /yaml:4: sources\.0\.streem.*stream, perhaps/,
  ],
  ["a kind that is none", ["sources:", "  - kind: microphone"], /:3: sources\.0\.kind.*folder, command or mqtt/],
  [
    "raw without a description",
    ["sources:", "  - { kind: command, argv: [x], stream: raw }"],
    /sources\.0\.raw.*exactly where/,
  ],
  [
    "two of one name",
    ["sources: [{ kind: folder, folder: a }, { kind: folder, folder: b }]"],
    /sources.*names that differ/,
  ],
  ["a string for a program", ["sources: [{ kind: command, stream: wav, argv: 'arecord -q' }]"], /sources\.0\.argv/],
  ["a mistyped policy", ["inference: { queue: { policy: drop } }"], /inference\.queue\.policy/],
  ["a host for all without a token", ["http: { host: 0.0.0.0, port: 80 }"], /:2: http.*token.*at least 16 characters/],
  ["a mistyped key of http", ["http: { prt: 80, port: 1 }"], /http\.prt.*port, perhaps/],
])("%s is told by its place", (_, lines, message) => {
  expect(() => parse(...lines)).toThrow(message);
});
