import { describe, expect, it } from "vitest";
import { parseLabels } from "../../../runtime/import/label-file.ts";
import { labelsFor } from "../../../runtime/import/labels.ts";
import { type KnownInput, preprocessingFor } from "../../../runtime/import/preprocessing.ts";
import type { Preprocessing } from "../../../runtime/package/card.ts";
import { imported, network } from "./graphs.ts";

const spoken = (): { said: string[]; note: (sentence: string) => void } => {
  const said: string[] = [];
  return { said, note: (sentence) => said.push(sentence) };
};

describe("labels", () => {
  it.each<[string, string[]]>([
    ["cat\ndog\n", ["cat", "dog"]],
    ["\uFEFFcat\r\n dog \r\n\r\n", ["cat", "dog"]],
    ['["cat", "dog, small"]', ["cat", "dog, small"]],
    ["0 cat\n1 dog", ["cat", "dog"]],
    ["0: cat\n1:dog", ["cat", "dog"]],
    ["1 cat\n2 dog", ["1 cat", "2 dog"]],
    ["7 up\ncola", ["7 up", "cola"]],
  ])("%j is %j", (text, labels) => expect(parseLabels(text, "labels.txt")).toEqual(labels));

  it.each(["", "\n\n", "cat\n\ndog", "[]", "[1, 2]", '["cat", ""]', '["cat"'])("%j is refused", (text) => {
    expect(() => parseLabels(text, "labels.txt")).toThrow(/^BAD_ARGUMENT: .*labels\.txt/);
  });

  it("as many as there are outputs, with a word on the background class where one is missing or too many", () => {
    const { note } = spoken();
    const labels = (count: number) => Array.from({ length: count }, (_, at) => `l${at}`);
    expect(labelsFor(3, labels(3), undefined, note)).toEqual(["l0", "l1", "l2"]);
    expect(() => labelsFor(1001, labels(1000), undefined, note)).toThrow(
      /1000 labels; wanted 1001.*add «background» as the first/,
    );
    expect(() => labelsFor(1000, labels(1001), undefined, note)).toThrow(
      /1001 labels; wanted 1000.*take that line away/,
    );
    expect(() => labelsFor(3, labels(9), undefined, note)).toThrow(/9 labels; wanted 3.*in their order/);
    expect(() => labelsFor(1, undefined, undefined, note)).toThrow(/^BAD_CARD: .*1 number/);
  });

  it("from the file where they fit, numbers where nothing does, and each name once", () => {
    const { said, note } = spoken();
    expect(labelsFor(3, undefined, ["crane", "crane", "crane"], note)).toEqual(["crane", "crane (2)", "crane (3)"]);
    expect(labelsFor(2, undefined, ["a", "b", "c"], note)).toEqual(["class-0001", "class-0002"]);
    expect(said.join("\n")).toMatch(/«crane \(2\)», «crane \(3\)»\n.*3 labels for 2 outputs.*not used\n.*--labels/);
  });
});

describe("preprocessing of pictures", () => {
  const known: KnownInput = {
    input: { name: "x", type: "float32", shape: ["N", 3, 8, 6] },
    codes: "real",
    range: null,
    normalization: undefined,
  };
  const normalization = (changes: Partial<KnownInput>, options = {}) => {
    const { said, note } = spoken();
    const { mean, std } = preprocessingFor({ ...known, ...changes }, options, note) as Extract<
      Preprocessing,
      { kind: "image" }
    >;
    return { mean, std, said: said.join() };
  };
  const thrice = (value: number) => [value, value, value];

  it.each<[low: number, high: number, mean: number[], std: number[]]>([
    [0, 255, thrice(0), thrice(1)],
    [0, 1, thrice(0), thrice(255)],
    [-1, 0.992, thrice(127.5), thrice(127.5)],
    [-128, 127, thrice(128), thrice(1)],
    [-2.11, 2.63, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]],
  ])("codes from %f to %f speak for themselves", (low, high, mean, std) => {
    expect(normalization({ range: { low, high } })).toMatchObject({
      mean,
      std,
      said: expect.stringContaining("taken for"),
    });
  });

  it("the owner's word comes before the file's, the file's before the range, and an assumption is said", () => {
    const range = { low: 0, high: 255 };
    const inFile = { mean: [127.5], std: [127.5] };
    expect(normalization({ range, normalization: inFile }, { mean: [1, 2, 3], std: [4] })).toMatchObject({
      mean: [1, 2, 3],
      std: thrice(4),
    });
    expect(normalization({ range, normalization: inFile })).toMatchObject({ mean: thrice(127.5), std: thrice(127.5) });
    expect(normalization({ codes: "pixels" })).toMatchObject({ mean: thrice(0), std: thrice(1) });
    expect(normalization({ range: { low: -6, high: 5 } })).toMatchObject({
      mean: thrice(0),
      std: thrice(255),
      said: expect.stringContaining("assumed"),
    });
  });

  it("deviations below 1 are of pixels from 0 to 1", () => {
    const found = normalization({}, { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    expect(found).toMatchObject({ mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] });
    expect(found.said).toContain("pixels from 0 to 1");
    expect(normalization({}, { mean: [0.5], std: [0.5] })).toMatchObject({ mean: thrice(127.5), std: thrice(127.5) });
    expect(normalization({}, { std: [1] })).toMatchObject({ mean: thrice(0), std: thrice(1) });
  });

  it("half of a normalization is completed, and said", () => {
    expect(normalization({}, { mean: [127.5] }).said).toContain("--std is not said: 1 is assumed");
    expect(normalization({}, { std: [255] }).said).toContain("--mean is not said: 0 is assumed");
    expect(normalization({}, { mean: [0], std: [255] }).said).toBe("");
  });

  it("what is said of sounds is refused for pictures, and what is said of pictures for sounds", () => {
    const { note } = spoken();
    expect(() => preprocessingFor(known, { sampleRateHz: 8000 }, note)).toThrow(/--sample-rate; found .*kind image/);
    const waves = { ...known, input: { ...known.input, shape: ["N", 8000] } };
    const rate = { sampleRateHz: 8000 };
    const waveform = preprocessingFor(waves, rate, note);
    expect(waveform).toMatchObject({ kind: "waveform", sampleRateHz: 8000 });
    expect(() => preprocessingFor(waves, { ...rate, mean: [1] }, note)).toThrow(/--mean, --std; found .*kind waveform/);
    const card = { preprocessing: waveform, sampleRateHz: 16_000 };
    expect(preprocessingFor(waves, card, note)).toEqual({ ...waveform, sampleRateHz: 16_000 });
  });

  it("what does not fit is refused", () => {
    expect(() => normalization({}, { mean: [1, 2] })).toThrow(
      /^BAD_ARGUMENT: .*--mean; found 2 numbers; wanted one number, or 3/,
    );
    expect(() => normalization({}, { std: [1, 0, 1] })).toThrow(/^BAD_ARGUMENT: .*--std/);
    const grey = { input: { ...known.input, shape: ["N", 1, 28, 28] } };
    expect(() => normalization(grey, { mean: [1, 2, 3], std: [1] })).toThrow(/wanted one number\)/);
    expect(normalization(grey, { mean: [3], std: [2] })).toMatchObject({ mean: [3], std: [2] });
  });

  it("one channel that is not square may be a spectrum, unless somebody speaks of pixels", () => {
    const narrow = { input: { ...known.input, shape: ["N", 1, 49, 10] } };
    expect(() => normalization(narrow)).toThrow(/^BAD_ARGUMENT: .*--preprocessing/);
    expect(normalization(narrow, { std: [255] })).toMatchObject({ mean: [0], std: [255] });
  });
});

it("a preprocessing that makes something else than the model takes in is refused, with both shapes", async () => {
  const image = {
    ...({ kind: "image", channels: 3 } as const),
    ...{ width: 6, height: 8, mean: [0, 0, 0], std: [1, 1, 1] },
  };
  const spectrum = {
    kind: "log-mel",
    ...{ sampleRateHz: 8000, windowSamples: 8000, frameSamples: 256, hopSamples: 128 },
    ...{ mels: 40, lowHz: 20, highHz: 4000, powerFloor: 1e-6 },
  } as const;
  await expect(imported(network(), { preprocessing: { ...image, width: 7 } })).rejects.toThrow(
    /\[3, 8, 7\].*wanted \[3, 8, 6\]/,
  );
  await expect(imported(network(), { preprocessing: spectrum })).rejects.toThrow(/\[1, 40, 61\].*wanted \[3, 8, 6\]/);
  expect((await imported(network(), { preprocessing: image, mean: [9] })).card.preprocessing).toEqual({
    ...image,
    mean: [9, 9, 9],
  });
  await expect(imported(network(), { preprocessing: spectrum, mean: [9] })).rejects.toThrow(
    /^BAD_ARGUMENT: .*kind log-mel/,
  );
});

it.each([
  ["models/MobileNet V2 (1.0).int8.onnx", "mobilenet-v2-1.0.int8"],
  ["C:\\nets\\Größe_3.ONNX", "gr-e_3"],
  ["...", "model"],
])("%s has the id %s", async (at, id) => {
  expect((await imported(network(), { at })).card.id).toBe(id);
});

it("what the owner says of the model stands in the card", async () => {
  const said = { id: "mine", version: "3", description: "Bolts and nuts.", licence: "MIT" };
  const { card, notes } = await imported(network(), { ...said, labels: ["a", "b", "c", "d"] });
  expect(card).toMatchObject({ ...said, labels: ["a", "b", "c", "d"] });
  expect(notes.join()).not.toMatch(/licence|--labels/);
  expect((await imported(network())).card.licence).toBe("unknown");
});
