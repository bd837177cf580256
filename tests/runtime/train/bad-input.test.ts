import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openRowFile } from "../../../device/cache/row-file.ts";
import { createMemoryRows } from "../../../runtime/cache/index.ts";
import { LichenError } from "../../../runtime/errors.ts";
import { type AdaptOptions, adapt } from "../../../runtime/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Model, ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { type ModelPackage, type Rehearsal, sha256 } from "../../../runtime/package/package.ts";
import { createClassifier } from "../../../runtime/serve/classifier.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { noise, random, TOY, toyModel, toyPackage, toySamples } from "../toy.ts";

const model = toyPackage();
const samples = toySamples(40, 1);
const quick = { model, samples, method: "head+bias", epochs: 2, learningRate: 0.01 } as const;

const errorOf = (change: Partial<AdaptOptions>): Promise<unknown> =>
  adapt({ ...quick, ...change }).then(
    () => "nothing",
    (error: unknown) => error,
  );

async function expectRefusal(change: Partial<AdaptOptions>, code: string, words: RegExp): Promise<void> {
  const trained: string[] = [];
  const error = await errorOf({ ...change, onProgress: ({ phase }) => trained.push(phase) });
  expect(error).toBeInstanceOf(LichenError);
  expect(error).toMatchObject({ code });
  expect(String(error)).toMatch(words);
  expect(trained, "nothing was trained").not.toContain("train");
}

const withModel = (changed: Model): ModelPackage => {
  const bytes = encodeModel(changed);
  return { ...model, model: changed, bytes, sha256: sha256(bytes), card: { ...model.card, sha256: sha256(bytes) } };
};

/** A float network with a hole in the middle. */
function around(
  middle: (b: GraphBuilder, x: ValueName) => ValueName,
  shape: (number | string)[] = ["N", 6],
): ModelPackage {
  const b = new GraphBuilder();
  const next = random(1);
  const constant = (dims: number[]) => b.constant("constant", noise(dims, next));
  const first = b.add("Gemm", [b.input("x", "float32", shape), constant([6, 6]), constant([6])], {}, "first");
  b.output(b.add("Gemm", [middle(b, first), constant([6, 4]), constant([4])], {}, "head"), { type: "float32" });
  return withModel(asModel(b.build("network")));
}

const vectors = samples.map(({ label }, at) => ({ label, features: noise([1, 6], random(at + 1)) }));

describe("a model that cannot be trained is refused before anything is", () => {
  it("an operator without a shape rule", () =>
    expectRefusal(
      { model: around((b, x) => b.add("NonZero", [x])), samples: vectors },
      "UNSUPPORTED_OPERATOR",
      /NonZero/,
    ));

  it("an operator without a gradient on the way to what is trained, by name; behind it all is well", async () => {
    const sorted = around((b, x) =>
      b.add("CumSum", [x, b.constant("axis", tensor("int64", [], BigInt64Array.of(1n)))], {}, "running"),
    );
    const error = await errorOf({ model: sorted, samples: vectors, method: "full" });
    expect(error).toBeInstanceOf(LichenError);
    expect(["NO_GRADIENT", "UNSUPPORTED_OPERATOR"]).toContain((error as LichenError).code);
    expect(String(error)).toMatch(/running/);
  });

  it("a weight that is no number", async () => {
    const broken = toyModel();
    const initializers = new Map(broken.graph.initializers);
    const [name, scale] = [...initializers].find(([each]) => each.includes("head_weight_scale"))!;
    initializers.set(name, {
      ...scale,
      data: (scale.data as Float32Array).map((value, at) => (at === 1 ? Number.NaN : value)),
    });
    const graph = { ...broken.graph, initializers };
    await expectRefusal({ model: withModel({ ...broken, graph }) }, "MODEL_CORRUPT", /head_weight_scale.*NaN/);
  });

  it("a size that is open beside the batch", async () => {
    const open = toyModel();
    const inputs = open.graph.inputs.map((input) => ({ ...input, shape: ["N", TOY.channels, "H", "W"] }));
    const error = await errorOf({ model: withModel({ ...open, graph: { ...open.graph, inputs } }), method: "bias" });
    expect(error).toMatchObject({ code: "NO_SHAPE" });
  });

  it("a batch that is fixed", async () => {
    const fixed = toyModel();
    const inputs = fixed.graph.inputs.map((input) => ({ ...input, shape: [1, ...input.shape.slice(1)] }));
    await expectRefusal({ model: withModel({ ...fixed, graph: { ...fixed.graph, inputs } }) }, "NO_SHAPE", /batch/);
  });

  it.each([3, 5])("%i labels for four outputs", async (count) => {
    const labels = ["a", "b", "c", "d", "e"].slice(0, count);
    const known = samples.filter(({ label }) => labels.includes(label));
    await expectRefusal(
      { model: { ...model, card: { ...model.card, labels } }, samples: known },
      "BAD_CARD",
      /4, one an output/,
    );
  });
});

describe("samples that teach nothing are refused", () => {
  it("of one class only, with nothing that keeps the others", () =>
    expectRefusal({ samples: samples.filter(({ label }) => label === "a") }, "ONE_CLASS", /other classes too/));

  it("of one new class only", () =>
    expectRefusal(
      { samples: samples.map((each) => ({ ...each, label: "zebra" })), classes: "extend" as const },
      "ONE_CLASS",
      /10|32|40/,
    ));

  it("but of one class with a rehearsal pack they are learnt from, as far as the pack allows", async () => {
    const alone = toySamples(160, 3).filter(({ label }) => label === "a");
    const { decision, report } = await adapt({ ...quick, epochs: 20, model: rehearsed(), samples: alone });
    expect(report.after.heldOut!.samples).toBe(8);
    const lost = report.before.rehearsal!.accuracy - report.after.rehearsal!.accuracy;
    expect(decision.reason).toBe(lost > 1 / report.after.rehearsal!.samples ? "FORGETS" : "GAIN");
  });

  it("one sample", () => expectRefusal({ samples: samples.slice(0, 1) }, "ONE_CLASS", /1 samples/));

  it("without labels, where their entropy counts nothing", () =>
    expectRefusal(
      { samples: samples.map((each) => ({ ...each, label: null })), loss: "cross-entropy", entropy: 0 },
      "NOTHING_TO_TRAIN",
      /labels, or an entropy/,
    ));

  it("none", () => expectRefusal({ samples: [] }, "TOO_FEW_SAMPLES", /at least one/));

  it("all alike", () =>
    expectRefusal(
      { samples: samples.map(({ label }) => ({ label, features: samples[0]!.features })) },
      "SAMPLES_ALIKE",
      /microphone is alive/,
    ));

  it("all zero, under different names", () =>
    expectRefusal(
      {
        samples: samples.map(({ label, features }, at) => ({
          label,
          id: sha256(Uint8Array.of(at)),
          features: float32(features.dims, new Float32Array(features.data.length)),
        })),
      },
      "SAMPLES_ALIKE",
      /times the same/,
    ));
});

describe("a sample that is none is refused, wherever it is read", () => {
  const first = samples[0]!;
  const changed = (features: Tensor) => [...samples.slice(1), { label: first.label, features }];
  const withValue = (value: number) =>
    float32(first.features.dims, Float32Array.from(first.features.data as Float32Array).fill(value, 3, 4));

  it.each<[string, Tensor, RegExp]>([
    ["another size", float32([1, TOY.channels, 4, 4], new Float32Array(32)), /\[1,2,4,4\].*wanted float32\[N,2,9,8\]/],
    ["another rank", float32([1, 144], new Float32Array(144)), /\[1,144\]/],
    ["bytes", tensor("uint8", first.features.dims, new Uint8Array(144)), /uint8/],
    ["NaN", withValue(Number.NaN), /no number/],
    ["infinity", withValue(Number.POSITIVE_INFINITY), /no number/],
  ])("%s", async (_, features, words) => {
    await expectRefusal({ samples: changed(features) }, "BAD_SAMPLE", words);
    await expectRefusal({ heldOut: [{ label: "a", features }] }, "BAD_SAMPLE", words);
    await expectRefusal(
      {
        samples: changed(features).map((each) => ({
          ...each,
          id: sha256(new Uint8Array(each.features.data.buffer)),
          features: async () => each.features,
        })),
      },
      "BAD_SAMPLE",
      words,
    );
    await expect(evaluate({ model, samples: [{ label: "a", features }] })).rejects.toMatchObject({
      code: "BAD_SAMPLE",
    });
    const classifier = await createClassifier(model);
    await expect(classifier.classify(features)).rejects.toMatchObject({ code: "BAD_SAMPLE" });
    await classifier.close();
  });
});

describe("a rehearsal pack", () => {
  it("of nothing is none", async () => {
    const empty = { ...rehearsed().rehearsal!, features: tensor("uint8", [0, 2, 9, 8], new Uint8Array(0)), labels: [] };
    const { report } = await adapt({ ...quick, model: { ...model, rehearsal: empty } });
    expect(report.after.rehearsal).toBeNull();
  });

  it.each<[string, Partial<Rehearsal>]>([
    ["behind the frontier", { value: "pooled_q", features: tensor("uint8", [8, 8, 1, 1], new Uint8Array(64)) }],
    ["of a value that is not there", { value: "nowhere" }],
    ["of another shape", { features: tensor("uint8", [8, 2, 4, 4], new Uint8Array(256)) }],
  ])("%s is refused", (_, change) =>
    expectRefusal(
      { model: { ...model, rehearsal: { ...rehearsed().rehearsal!, ...change } }, method: "bias" },
      "REHEARSAL_CORRUPT",
      /frontier|model/,
    ),
  );
});

describe("where rows cannot be kept", () => {
  it("for a full disk, the run ends with that and the store is closed", async () => {
    let closed = 0;
    const openRows = async ({ rowBytes }: { rowBytes: number }) => {
      const store = createMemoryRows({ rowBytes, maxBytes: 10_000_000 });
      let left = 20;
      return {
        ...store,
        find: store.find,
        append: async (key: string, row: Uint8Array) => {
          if (left-- === 0) throw new LichenError("STORAGE_FAILED", { at: "rows", found: "ENOSPC" });
          return store.append(key, row);
        },
        close: async () => void closed++,
      };
    };
    await expectRefusal({ openRows }, "STORAGE_FAILED", /ENOSPC/);
    expect(closed).toBe(1);
  });

  it("for a bound, the run says so; rows of earlier runs make place first", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lichen-rows-"));
    try {
      const bounded = (rows: number) => ({
        method: "bias",
        openRows: ({ name, rowBytes }: { name: string; rowBytes: number }) =>
          openRowFile({ folder, name, rowBytes, maxBytes: rows * (rowBytes + 40) + 40 }),
      });
      await expectRefusal(bounded(30), "CACHE_FULL", /allow it more bytes/);
      await adapt({ ...quick, ...bounded(45) });
      await adapt({ ...quick, ...bounded(45), samples: toySamples(40, 2) });
      expect(await readdir(folder)).toHaveLength(2);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** The toy with a pack of what it is fed: a few samples of each class as the quantized input has them. */
function rehearsed(): ModelPackage {
  const pack = toySamples(32, 77);
  const quantized = pack.flatMap(({ features }) =>
    Array.from(features.data as Float32Array, (value) => Math.min(255, Math.max(0, Math.round(value / 0.016) + 128))),
  );
  const features = tensor("uint8", [32, TOY.channels, TOY.height, TOY.width], Uint8Array.from(quantized));
  const labels = pack.map(({ label }) => model.card.labels.indexOf(label));
  return { ...model, rehearsal: { value: "features_q", features, labels } };
}
