import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { outputsOf, parseCatalogueCard } from "../../../device/models/card.ts";
import { catalogueFolder, findCard, readCatalogue } from "../../../device/models/catalogue.ts";
import { ownPackages } from "../../../device/models/own.ts";
import { runOfflineImport } from "../../../device/offline/import.ts";
import { loadModel } from "../../../runtime/index.ts";
import { sha256 } from "../../../runtime/package/package.ts";
import { featureShape } from "../../../runtime/signal/index.ts";
import { decodeTflite } from "../../../runtime/tflite/decode.ts";
import { temporaryFolder } from "../fixtures.ts";

const root = new URL("../../../", import.meta.url);
const shared = join(process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../shared", root)), "models");

const cards = await readCatalogue();
const listed = existsSync(shared) ? (await readFile(join(shared, "SHA256SUMS"), "utf8")).trim().split("\n") : [];
const sums = listed.map((line) => line.split(/\s+/) as [string, string]);
const names = cards.map(({ name }) => name);

describe("the catalogue", () => {
  it("has the models that everybody knows", () => {
    for (const known of ["mobilenet-v1", "mobilenet-v2", "efficientnet-lite0", "mcunet", "yamnet"])
      expect(
        names.filter((name) => name.includes(known)),
        known,
      ).not.toEqual([]);
    for (const task of ["kws", "ic", "vww", "ad"]) expect(names).toContain(`mlperf-tiny-${task}-int8`);
  });

  it("can fetch most of them, each file once", () => {
    expect(cards.filter(({ addresses }) => addresses.length > 0).length).toBeGreaterThanOrEqual(10);
    expect(new Set(cards.map((card) => card.sha256)).size).toBe(cards.length);
    const addresses = cards.flatMap((card) => card.addresses);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it.each(cards.map((card) => [card.name, card] as const))("%s takes in what its preprocessing gives", (_, card) => {
    const features = featureShape(card.preprocessing);
    const { shape, layout } = card.input;
    // Packages have channels first, whatever the file has.
    const [height, width, channels] = shape;
    expect(features).toEqual(layout === "nhwc" ? [channels, height, width] : shape);
  });

  it("says of every metric on what and by whom", () => {
    for (const { name, on, source } of cards.flatMap(({ metrics }) => metrics))
      expect([name, on, source].every((text) => text.length > 3)).toBe(true);
  });
});

describe("a name", () => {
  it("is found in any case", () => expect(findCard(cards, "YAMNet-INT8").name).toBe("yamnet-int8"));

  it.each([
    ["yamnet", ["yamnet-int8"]],
    ["mlperf kws", ["mlperf-tiny-kws-int8"]],
    ["mcunet-in1-in8", ["mcunet-in1-int8"]],
    ["mobilenet_v2", ["mobilenet-v2-int8", "mobilenet-v2-int8-labels"]],
  ])("«%s» is told what may have been meant", (name, meant) => {
    const find = () => findCard(cards, name);
    expect(find).toThrow(expect.objectContaining({ code: "UNKNOWN_MODEL" }));
    expect(find).toThrow(`did you mean ${meant.join(" or ")}?`);
  });

  it("of a model that came along is told where that lies", async () => {
    const own = await ownPackages();
    expect(own.map(({ name }) => name)).toContain("spoken-digits");
    expect(() => findCard(cards, "spoken-digits", own)).toThrow(/^UNKNOWN_MODEL: .*--model .*models.spoken-digits/);
  });

  it("that is like no other is shown where names are", () => {
    expect(() => findCard(cards, "resnet-152")).toThrow("see lichen models");
  });
});

describe("a card that is not right", () => {
  const good = JSON.parse(JSON.stringify(cards.find(({ name }) => name === "mlperf-tiny-ic-int8")));

  it.each([
    ["sha256", { sha256: "abc" }],
    ["addresses.0", { addresses: ["http://a.test/x.tflite"] }],
    ["addresses", { addresses: [] }],
    ["addresses", { noAddress: "none" }],
    ["file", { file: "../x.tflite" }],
    ["bytes", { bytes: 0 }],
    ["bytes", { bytes: 1e12 }],
    ["preprocessing.mean", { preprocessing: { ...good.preprocessing, mean: [0] } }],
    ["labels", { labels: ["one"] }],
    ["(top)", { extra: 1 }],
  ])("is told by its field: %s", (field, change) => {
    const parse = () => parseCatalogueCard(JSON.stringify({ ...good, ...change }), "x.json");
    expect(parse).toThrow(expect.objectContaining({ code: "BAD_CARD" }));
    expect(parse).toThrow(`x.json: ${field}`);
  });

  it("is told when it has another name than its file", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "other.json"), JSON.stringify(good));
    await expect(readCatalogue(folder)).rejects.toMatchObject({
      code: "BAD_CARD",
      message: expect.stringContaining("other"),
    });
  });
});

describe("files that are at hand", () => {
  if (sums.length === 0) console.warn(`skipped: cards beside their files, for want of ${shared} (set LICHEN_SHARED)`);
  const atHand = cards.flatMap((card) => {
    const file = sums.find(([sum]) => sum === card.sha256)?.[1];
    return file === undefined ? [] : [[card.name, card, join(shared, file)] as const];
  });

  it.skipIf(sums.length === 0)("are most of the catalogue's", () => expect(atHand.length).toBeGreaterThanOrEqual(10));

  it.each(atHand)("%s is what its card says: bytes, sum, input, number of answers", async (_, card, file) => {
    const bytes = await readFile(file);
    expect(bytes.length).toBe(card.bytes);
    expect(sha256(bytes)).toBe(card.sha256);
    const { tensors, inputs, outputs, metadata } = decodeTflite(bytes, file);
    const [input, output] = [tensors[inputs[0]!]!, tensors[outputs[0]!]!];
    expect(input.type).toBe(card.input.type);
    // A waveform has no batch in front.
    expect(input.shape.slice(input.shape.length - card.input.shape.length)).toEqual(card.input.shape);
    expect(output.shape.at(-1)).toBe(outputsOf(card));
    if (!Array.isArray(card.labels))
      expect(metadata.labels?.length ?? 0).toBe(card.labels.in === "metadata" ? card.labels.count : 0);
  });

  it.each(atHand.filter(([, card]) => card.preprocessing.kind === "image" && card.input.type !== "float32"))(
    "pixels are the codes of %s",
    async (_, { preprocessing, input: { type } }, file) => {
      if (preprocessing.kind !== "image") throw new Error("an image was filtered for");
      const { tensors, inputs } = decodeTflite(await readFile(file), file);
      const { scales, zeroPoints } = tensors[inputs[0]!]!.quantization!;
      const lowest = type === "int8" ? -128 : 0;
      for (let pixel = 0; pixel < 256; pixel++) {
        const feature = (pixel - preprocessing.mean[0]!) / preprocessing.std[0]!;
        expect(Math.round(feature / scales[0]!) + zeroPoints[0]!).toBe(pixel + lowest);
      }
    },
  );

  it.each(atHand)(
    "%s becomes a package that says what the card says",
    { timeout: 60_000 },
    async (name, card, file) => {
      const out = join(await temporaryFolder(), name);
      await runOfflineImport(file, { out, card: join(catalogueFolder(), `${name}.json`) });
      const made = await loadModel(out);
      expect(made.card).toMatchObject({ id: name, licence: card.licence, preprocessing: card.preprocessing });
      expect(made.card.labels).toHaveLength(outputsOf(card));
      if (Array.isArray(card.labels)) expect(made.card.labels).toEqual(card.labels);
      expect(made.model.graph.inputs[0]!.shape).toEqual(["N", ...featureShape(card.preprocessing)]);
    },
  );
});
