import { expect, it } from "vitest";
import { readableAdapt } from "../../../device/cli/commands/adapt-readable.ts";
import type { OfflineAdaptResult } from "../../../device/offline/adapt.ts";

const score = (samples: number, accuracy: number) => ({ samples, accuracy, loss: 1 });

const result: OfflineAdaptResult = {
  schema: "lichen/adapt/1",
  out: "a.safetensors",
  sha256: "0123456789abcdef",
  data: { samples: 100, recordings: 100 },
  method: "head+bias",
  trainableParameters: 2250,
  adapterBytes: 11_936,
  frontier: ["features_q"],
  before: { accuracy: 0.5, heldOut: score(20, 0.5), rehearsal: score(40, 1) },
  after: { accuracy: 0.9, heldOut: score(20, 0.9), rehearsal: score(40, 0.975) },
  epochs: 15,
  bestEpoch: 7,
  learningRate: 0.0094868,
  seconds: { derive: 0.1, cache: 0.2, train: 0.7, total: 1 },
  trainingStateBytes: { predicted: 6_400_000, measured: 6_100_000 },
  explanation: null,
  newClasses: [],
  replaced: false,
  peakRssBytes: 156_000_000,
  gate: { accepted: true, reason: "GAIN", explanation: "it is better" },
};

const lines = (changes: Partial<OfflineAdaptResult> = {}, learningRate?: number) =>
  readableAdapt({ ...result, ...changes }, learningRate === undefined ? {} : { learningRate })
    .split("\n")
    .map((line) => line.replace(/ {2,}/, ": "));

it("says whether it may be served and why, what was gained and lost, and what it took", () => {
  expect(lines()).toEqual([
    "adapter: a.safetensors (0123456789ab, 11.9 kB)",
    "gate: accepted, GAIN: it is better",
    "held out: 50.0 % → 90.0 % of 20",
    "rehearsal: 100.0 % → 97.5 % of 40: loses 2.5 points",
    "trained: head+bias: 2\u00a0250 parameters behind features_q",
    "epochs: 15; kept is number 7",
    "learning rate: 0.00949, found by trying",
    "training state: 6.4 MB predicted, 6.1 MB measured",
    "process: 156.0 MB at most",
    "seconds: 1.0: plan 0.1, cache 0.2, train 0.7",
  ]);
  expect(lines({ bestEpoch: 0 })).toContain("epochs: 15; none was better than the start");
  expect(lines({}, 0.01)).toContain("learning rate: 0.00949");
});

it("says what adaptive chose", () => {
  const layer = (at: string, gain: number) => ({ at, choice: "bias", gain, bytes: 8 });
  const explanation = {
    from: "conv2",
    depth: 2,
    layers: [layer("conv2", 0.3), layer("head", 0)],
    depths: [],
    next: [],
  };
  expect(lines({ explanation }).join(" ")).toContain("chosen: 2 layers from conv2 on, with 30.0 % of what");
});

it("tells old classes from new ones, of which there was nothing before", () => {
  const perClass = { one: { samples: 4, correct: 3 }, hello: { samples: 2, correct: 2 } };
  const found = lines({
    newClasses: ["hello"],
    before: {
      accuracy: 0.25,
      heldOut: { ...score(4, 0.25), perClass: { one: { samples: 4, correct: 1 } } },
      rehearsal: null,
    },
    after: { accuracy: 5 / 6, heldOut: { ...score(6, 5 / 6), perClass }, rehearsal: null },
  });
  expect(found).toEqual(
    expect.arrayContaining([
      "held out: 25.0 % of 4 → 83.3 % of 6",
      "old classes: 25.0 % of 4 → 75.0 % of 4",
      "new classes: 100.0 % of 2: hello",
    ]),
  );
  expect(found.join()).not.toContain("rehearsal");
});

it("says nothing of old classes where they are gone", () => {
  const perClass = { yak: { samples: 4, correct: 3 }, ox: { samples: 2, correct: 2 } };
  const found = lines({
    newClasses: ["yak", "ox"],
    replaced: true,
    before: { accuracy: null, heldOut: null, rehearsal: null },
    after: { accuracy: 5 / 6, heldOut: { ...score(6, 5 / 6), perClass }, rehearsal: null },
  });
  expect(found).toEqual(expect.arrayContaining(["held out: – → 83.3 % of 6", "new classes: 83.3 % of 6: yak, ox"]));
  expect(found.join()).not.toContain("old classes");
});

it("shows losses and entropies where there is no accuracy", () => {
  const nothing = { accuracy: null, heldOut: null, rehearsal: null };
  const loss = (value: number) => ({
    heldOut: { samples: 5, loss: value },
    rehearsal: { samples: 40, loss: value / 2 },
  });
  expect(lines({ before: { ...nothing, losses: loss(0.6) }, after: { ...nothing, losses: loss(0.04) } })).toEqual(
    expect.arrayContaining(["held out: loss 0.600 → 0.0400 of 5", "rehearsal: loss 0.300 → 0.0200 of 40"]),
  );
  const confidence = (entropy: number) => ({ samples: 16, entropy, marginalEntropy: 2, topShare: 0.3 });
  expect(
    lines({
      before: { ...nothing, confidence: confidence(1.09) },
      after: { ...nothing, confidence: confidence(0.42) },
    }),
  ).toContain("unlabelled: entropy 1.09 → 0.42 of 16");
});

it("says how many windows the recordings have, where these are long", () => {
  expect(lines()).not.toContainEqual(expect.stringMatching(/^samples/));
  expect(lines({ data: { samples: 370, recordings: 12 } })).toContain("samples: 370 windows of 12 recordings");
});
