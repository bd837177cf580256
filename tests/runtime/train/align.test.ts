import { beforeAll, describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { deriveDeploy } from "../../../runtime/derive/deploy.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel } from "../../../runtime/onnx/builder.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import type { ModelPackage } from "../../../runtime/package/package.ts";
import { cut } from "../../../runtime/passes/cut.ts";
import { makePlan, startParameters } from "../../../runtime/plan/plan.ts";
import { evaluate } from "../../../runtime/serve/evaluate.ts";
import { adapt } from "../../../runtime/train/adapt.ts";
import { aligned } from "../../../runtime/train/align.ts";
import type { CachedRows } from "../../../runtime/train/rows.ts";
import { toySamples } from "../toy.ts";
import { elsewhere, taughtPackage, toyRehearsal } from "./taught.ts";

let taught: ModelPackage;
beforeAll(async () => {
  taught = await taughtPackage();
});

const test = elsewhere(toySamples(120, 8));
const labelled = elsewhere(toySamples(80, 5));
const unlabelled = labelled.map((sample) => ({ ...sample, label: null }));
/** Hardly any training: what is seen is what aligning does. */
const still = { epochs: 1, learningRate: 1e-9 };
const accuracy = async (...[model, adapter]: [ModelPackage, Awaited<ReturnType<typeof adapt>>["adapter"]?]) =>
  (await evaluate({ model, samples: test, ...(adapter && { adapter }) })).accuracy!;

describe("aligning with the rehearsal pack", () => {
  it.each(["bias+scale", "full"])(
    "brings back with %s, without a label, most of what another light takes",
    async (method) => {
      const before = await accuracy(taught);
      const { adapter, report } = await adapt({ model: taught, samples: unlabelled, method, align: true, ...still });
      const after = await accuracy(taught, adapter);
      expect(after - before).toBeGreaterThan(0.5 * (1 - before));
      expect(report.before.rehearsal).toBeNull();
    },
  );

  it("is where training with labels starts, which is told beside the base", async () => {
    const { adapter, decision, report } = await adapt({
      model: taught,
      samples: labelled,
      method: "bias+scale",
      align: true,
    });
    expect(decision).toMatchObject({ accepted: true, reason: "GAIN" });
    const { accuracy: base } = await evaluate({ model: taught, samples: labelled });
    expect(Math.abs(report.before.accuracy! - base!)).toBeLessThan(0.2);
    expect(await accuracy(taught, adapter)).toBeGreaterThan(0.95);
  });

  it("is left alone where the place is no other one, and where an adapter has been there", async () => {
    const at = { model: taught, samples: toySamples(80, 5), method: "bias+scale", epochs: 1, learningRate: 1e-9 };
    const [with_, without] = [await adapt({ ...at, align: true }), await adapt(at)];
    expect(with_.report.after.heldOut!.loss).toBeLessThanOrEqual(without.report.before.heldOut!.loss);
    const again = { ...at, start: with_.adapter };
    expect((await adapt({ ...again, align: true })).adapter.sha256).toBe((await adapt(again)).adapter.sha256);
  });

  it.each([
    ["a package without a pack", { method: "bias+scale" }, "no rehearsal pack"],
    ["a method that only shifts", { method: "bias" }, "method bias"],
  ])("refuses %s", async (_, { method }, found) => {
    const { rehearsal, ...bare } = taught;
    const model = method === "bias" ? { ...bare, rehearsal: rehearsal! } : bare;
    const refused = adapt({ model, samples: labelled, method, align: true });
    await expect(refused).rejects.toMatchObject({ code: "BAD_ARGUMENT", details: { at: "align" } });
    await expect(refused).rejects.toThrow(found);
  });
});

it("every aligned channel has the mean and the deviation of the reference, up to rounding", async () => {
  const plan = makePlan(prepareBase(taught.model), "bias+scale");
  const [reference, local] = [toyRehearsal(48).features, darker(toyRehearsal(64).features)];
  const rows = (values: Tensor): CachedRows => ({
    count: values.dims[0]!,
    rowBytes: 1,
    load: async (chosen) => ({ [plan.frontier[0]!]: pick(values, chosen ?? [...Array(values.dims[0]).keys()]) }),
  });
  const start = startParameters(plan);
  const moved = await aligned(plan, start, {
    local: { rows: rows(local) },
    reference: { rows: rows(reference) },
    threads: 1,
  });
  for (const name of ["stem", "depthwise", "pointwise"]) {
    const wanted = await moments(name, start, reference);
    const found = await moments(name, moved, local);
    for (const [channel, { mean, deviation }] of wanted.entries()) {
      expect(found[channel]!.mean).toBeCloseTo(mean, 1);
      expect(found[channel]!.deviation).toBeCloseTo(deviation, 1);
    }
  }

  async function moments(layer: string, parameters: typeof start, values: Tensor) {
    const { node } = plan.targets.find((target) => target.layer.name === layer)!.layer;
    const output = node.outputs[0]!;
    const { graph } = await deriveDeploy(plan, parameters);
    const session = await openSession(asModel(cut(graph, plan.base.types, plan.frontier, [output])));
    const { [output]: answer } = await session.run({ [plan.frontier[0]!]: values });
    await session.close();
    const [count, channels, ...sizes] = answer!.dims as [number, number, ...number[]];
    const inner = sizes.reduce((product, size) => product * size, 1);
    return Array.from({ length: channels }, (_, channel) => {
      const own = Array.from(answer!.data as Float32Array).filter(
        (_, at) => Math.floor(at / inner) % channels === channel,
      );
      const mean = own.reduce((sum, value) => sum + value, 0) / (count * inner);
      const square = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count * inner);
      return { mean, deviation: Math.sqrt(square) };
    });
  }
});

const darker = (codes: Tensor): Tensor => ({
  ...codes,
  data: (codes.data as Uint8Array).map((code) => Math.round((code - 128) * 0.6 + 145)),
});

function pick({ dims, data, type }: Tensor, rows: readonly number[]): Tensor {
  const width = data.length / dims[0]!;
  const picked = rows.flatMap((row) => Array.from((data as Uint8Array).subarray(row * width, (row + 1) * width)));
  return { type, dims: [rows.length, ...dims.slice(1)], data: Uint8Array.from(picked) } as Tensor;
}
