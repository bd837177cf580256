import { connectAsync } from "mqtt";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../device/clock.ts";
import { ruleConfig } from "../../../device/labels/config.ts";
import { createLabelling } from "../../../device/labels/labelling.ts";
import type { Message } from "../../../device/labels/rule.ts";
import { mqttSubscriber } from "../../../device/labels/subscriber.ts";
import { startBroker } from "../../../scripts/broker.ts";
import { testClock } from "../clock.ts";
import { bytesOf, silent, temporaryFolder } from "../fixtures.ts";
import { hashOf, opened, wav } from "../samples/stores.ts";

const TOPIC = "lichen/labels/box/main";
const LISTENING = { clientId: "labels", reconnectMs: 50, clock: systemClock, log: silent, random: Math.random };
const RULES = [ruleConfig.parse({ topic: "plc/gate", payload: "^NOK$", label: "inbox", seconds: 5 })];

/** A store with samples that came at 0, 10 and 20 seconds. */
async function board() {
  const clock = testClock();
  const changed: string[] = [];
  const store = await opened(await temporaryFolder(), {
    clock,
    beforeChange: async (sha256s) => void changed.push(...sha256s),
  });
  for (const [text, label] of [
    ["a", "one"],
    ["b", null],
    ["c", null],
  ] as const) {
    const prediction = { label: "one", confidence: 0.9, adapter: "a1" };
    await store.add({ ...wav(text, label), ...(text === "c" && { prediction }) });
    clock.pass(10_000);
  }
  clock.pass(-10_000);
  const onLabelled = vi.fn();
  const onJudged = vi.fn();
  const labelling = createLabelling({ store, rules: RULES, topic: TOPIC, onLabelled, onJudged, clock, log: silent });
  const labels = () => store.all().map(({ label, origin }) => [label, origin]);
  return { store, clock, labelling, onLabelled, onJudged, labels, changed };
}

const hears = (payload: string, topic = TOPIC) => ({ topic, payload: bytesOf(payload), retained: false });

test("a label goes to one sample by its hash, to the last one, or to those of the last seconds", async () => {
  const { labelling, labels, onLabelled } = await board();
  await labelling.label({ label: "inbox", samples: { last: true } }, "person");
  expect(labels()).toEqual([
    ["one", "folder"],
    [null, null],
    ["inbox", "person"],
  ]);
  await labelling.label({ label: "one", samples: { sinceSeconds: 10 } }, "http");
  expect(labels()).toEqual([
    ["one", "folder"],
    ["one", "http"],
    ["one", "http"],
  ]);
  const answer = await labelling.label({ label: null, samples: { sha256: hashOf("a").slice(0, 8) } }, "person");
  expect(answer).toEqual([{ sha256: hashOf("a"), before: "one", label: null, outcome: "relabelled" }]);
  expect(labels()[0]).toEqual([null, "person"]);
  // What was taken back is nothing to learn from.
  expect(onLabelled).toHaveBeenCalledTimes(2);
});

test("of the samples of the last seconds, one that has made room meanwhile keeps no other from its label", async () => {
  const { store, labelling, labels } = await board();
  const asked = labelling.label({ label: "inbox", samples: { sinceSeconds: 60 } }, "person");
  // In the store's line before the second and third label.
  const erased = store.erase([hashOf("b")]);
  expect((await asked).map(({ sha256 }) => sha256)).toEqual([hashOf("a"), hashOf("c")]);
  await erased;
  expect(labels()).toEqual([
    ["inbox", "person"],
    ["inbox", "person"],
  ]);
});

test("the first label of a sample says whether what served then was right; a correction of it does not", async () => {
  const { labelling, onJudged } = await board();
  await labelling.label({ label: "inbox", samples: { sinceSeconds: 15 } }, "person");
  await labelling.label({ label: "one", samples: { last: true } }, "person");
  expect(onJudged.mock.calls).toEqual([[{ label: "one", confidence: 0.9, adapter: "a1" }, "inbox"]]);
});

test("what a person said stands against a message, and no message reaches back for more than an hour", async () => {
  const { labelling, labels } = await board();
  await labelling.label({ label: "inbox", samples: { last: true } }, "person");
  await labelling.hear(hears("one"));
  expect(labels()[2]).toEqual(["inbox", "person"]);
  await labelling.hear(hears('{"label": "one", "samples": {"sinceSeconds": 1e9}}'));
  expect(labels()[1]).toEqual([null, null]);
});

test("rounds are told of samples that had a label, before it changes", async () => {
  const { labelling, changed, store } = await board();
  await labelling.label({ label: "inbox", samples: { sha256: hashOf("b") } }, "person");
  expect(changed).toEqual([]);
  await labelling.label({ label: "one", samples: { sha256: hashOf("b") } }, "person");
  await labelling.label({ label: "one", samples: { sha256: hashOf("b") } }, "person");
  expect(changed).toEqual([hashOf("b")]);
  await store.add(wav("a", "inbox"));
  expect(changed).toEqual([hashOf("b"), hashOf("a")]);
});

test("to label nothing is a refusal: an unknown hash, one that is short for several, a time when nothing came", async () => {
  const { labelling, clock } = await board();
  const refusal = (samples: Parameters<typeof labelling.label>[0]["samples"]) =>
    labelling.label({ label: "one", samples }, "person").catch((error) => error.code);
  expect(await refusal({ sha256: "0000" })).toBe("NO_SUCH_SAMPLE");
  expect(await refusal({ sha256: "" })).toBe("BAD_ARGUMENT");
  clock.pass(60_000);
  expect(await refusal({ sinceSeconds: 30 })).toBe("NO_SUCH_SAMPLE");
});

test("messages label: a class for the last sample, JSON as over HTTP, a second sensor by its rule", async () => {
  const { labelling, labels } = await board();
  await labelling.hear(hears("two words"));
  expect(labels()[2]).toEqual(["two words", "mqtt"]);
  await labelling.hear(hears(`{"label":"one","samples":{"sha256":"${hashOf("b")}"}}`));
  expect(labels()[1]).toEqual(["one", "mqtt"]);
  await labelling.hear(hears('{"label":null,"samples":{"last":true}}'));
  expect(labels()[2]).toEqual([null, "mqtt"]);
});

test("a second sensor labels what nobody has labelled, and stands back where somebody has", async () => {
  const { labelling, labels, store } = await board();
  await labelling.hear(hears("NOK", "plc/gate"));
  expect(labels()).toEqual([
    ["one", "folder"],
    [null, null],
    ["inbox", "sensor"],
  ]);
  await store.label(hashOf("c"), "one", "person");
  await labelling.hear(hears("NOK", "plc/gate"));
  expect(labels()[2]).toEqual(["one", "person"]);
});

test.each(["", "{", '{"label":1}', "no such class", '{"label":"one","samples":{"sha256":"zz"}}', "\0", "[]"])(
  "the message %j changes nothing and harms nothing",
  async (payload) => {
    const { labelling, labels } = await board();
    const before = labels();
    await labelling.hear(hears(payload));
    expect(labels()).toEqual(before);
  },
);

test("over a broker, also after it was away; what it kept from before is not heard", async () => {
  const { labelling, labels } = await board();
  const heard = vi.fn(labelling.hear);
  const first = await startBroker({ port: 0 });
  const say = async (topic: string, payload: string, retain = false) => {
    const publisher = await connectAsync(first.url);
    await publisher.publishAsync(topic, payload, { qos: 1, retain });
    await publisher.endAsync();
  };
  await say(TOPIC, "one", true);
  const filters = [TOPIC, "plc/gate"];
  const subscriber = mqttSubscriber({ ...LISTENING, broker: first.url, filters });
  subscriber.start(heard);
  onTestFinished(() => subscriber.stop());
  await vi.waitFor(() => expect(heard).toHaveBeenCalled());
  expect(labels()[2]).toEqual([null, null]);
  await first.stop();
  const second = await startBroker({ port: first.port });
  onTestFinished(() => second.stop());
  await vi.waitFor(
    async () => {
      await say("plc/gate", "NOK");
      expect(labels()[2]).toEqual(["inbox", "sensor"]);
    },
    { timeout: 10_000, interval: 100 },
  );
});

test("a message that no label can be is not held in memory, and the next one is heard again", async () => {
  const broker = await startBroker({ port: 0 });
  onTestFinished(() => broker.stop());
  const heard = vi.fn(async (_: Message) => {});
  const subscriber = mqttSubscriber({ ...LISTENING, broker: broker.url, filters: [TOPIC] });
  subscriber.start(heard);
  onTestFinished(() => subscriber.stop());
  const publisher = await connectAsync(broker.url);
  onTestFinished(() => publisher.endAsync());
  const isHeard = (word: string) =>
    vi.waitFor(
      async () => {
        await publisher.publishAsync(TOPIC, word, { qos: 1 });
        expect(heard.mock.calls.map(([{ payload }]) => `${payload}`)).toContain(word);
      },
      { timeout: 10_000, interval: 100 },
    );
  await isHeard("one");
  await publisher.publishAsync(TOPIC, Buffer.alloc(5 * 1024 * 1024, " "), { qos: 1 });
  await isHeard("two words");
  expect(heard.mock.calls.filter(([{ payload }]) => payload.length > 100)).toEqual([]);
});
