import { describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { GRADIENTS } from "../../../runtime/gradients/index.ts";
import { asModel } from "../../../runtime/onnx/builder.ts";
import type { Graph } from "../../../runtime/onnx/graph.ts";
import { type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";
import {
  batchedShapes,
  CASES,
  caseGraph,
  caseInputs,
  differentiated,
  type GradientCase,
  referenceValue,
  relativeError,
  runCase,
  usedOutputs,
} from "./case.ts";
import { widened, widenedTensor } from "./widen.ts";

/** Covered by the tests of quantized networks: their gradient is a convention (straight-through), not a derivative. */
const BY_CONVENTION = ["QuantizeLinear", "DequantizeLinear"];

/** Operators, and cases, that ONNX Runtime has no float64 kernel for, or none for what their gradient needs. */
const FLOAT32_ALONE = [
  "AveragePool",
  "Conv",
  "ConvTranspose",
  "Elu",
  "Erf",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "HardSigmoid",
  "HardSwish",
  "InstanceNormalization",
  "LayerNormalization",
  "LeakyRelu",
  "Mean",
  "PRelu",
  "Resize",
  "gelu",
];

/** Cases that do something to the first axis that no batch can have done to it. */
const FIRST_AXIS_FIXED = [
  "where",
  "matmul of a vector by a matrix",
  "split, the last part smaller",
  "slice from the back, to the end",
  "slice backwards",
  "slice beyond both ends",
  "pad with edges",
  "resize nearest to sizes that do not divide",
  "resize linear by pytorch_half_pixel, to one row",
  "resize linear with corners aligned",
];

describe("every gradient rule", () => {
  it("has a case here", () => {
    const ruled = Object.keys(GRADIENTS).filter((op) => GRADIENTS[op] !== null);
    const covered = new Set([...CASES.map((test) => test.op), ...BY_CONVENTION]);
    expect(ruled.filter((op) => !covered.has(op))).toEqual([]);
  });

  it.each(CASES)("agrees with PyTorch to 1e-4: $name", async (test) => {
    await expectReference(test, caseGraph(test));
  });

  it.each(CASES.filter((test) => !FIRST_AXIS_FIXED.includes(test.name)))(
    "leaves the batch open: $name",
    async (test) => {
      await expectReference(test, caseGraph(test, batchedShapes(test)));
    },
  );

  it.each(CASES.filter((test) => FIRST_AXIS_FIXED.includes(test.name)))("refuses an open batch: $name", (test) => {
    expect(() => caseGraph(test, batchedShapes(test))).toThrow(/NO_SHAPE/);
  });

  it.each(CASES)("agrees with finite differences: $name", async (test) => {
    const wide = inFloat64(test);
    const session = await openSession(asModel(wide ? widened(caseGraph(test)) : caseGraph(test)));
    const precise = wide ? widenedTensor : (value: Tensor) => value;
    const next = random(11);
    const inputs = mapped(caseInputs(test), precise);
    const incoming = usedOutputs(test).map((at) => referenceValue(`${test.name}/y${at}`).dims);
    const dys = incoming.map((dims) => precise(noise(dims, next)));
    const feeds = Object.fromEntries(usedOutputs(test).map((at, index) => [`dy${at}`, dys[index]!]));
    const gradients = await session.run({ ...inputs, ...feeds });

    for (const at of differentiated(test)) {
      const x = `x${at}`;
      const direction = precise(noise(test.inputs[at]!, next));
      const loss = async (step: number) => {
        const results = await session.run({ ...inputs, ...feeds, [x]: along(inputs[x]!, direction, step) });
        return usedOutputs(test).reduce((sum, output, index) => sum + dot(results[`y${output}`]!, dys[index]!), 0);
      };
      const slope = async (step: number) => ((await loss(step)) - (await loss(-step))) / (2 * step);
      // Richardson's extrapolation: the error falls with the fourth power of the step, which float32 needs to be large.
      const step = wide ? 1e-3 : 0.04;
      const measured = (4 * (await slope(step / 2)) - (await slope(step))) / 3;
      const gradient = gradients[`d${x}`]!;
      const scale = Math.sqrt(dot(gradient, gradient) * dot(direction, direction)) + 1e-6;
      const error = Math.abs(measured - dot(gradient, direction)) / scale;
      expect(error, `d${x}`).toBeLessThan(wide ? 1e-8 : 1e-4);
    }
    await session.close();
  });

  it.each(CASES.filter((test) => !inFloat64(test)))("has no float64 kernel to use: $name", async (test) => {
    await expect(openSession(asModel(widened(caseGraph(test))))).rejects.toThrow(/MODEL_CORRUPT/);
  });
});

async function expectReference(test: GradientCase, graph: Graph): Promise<void> {
  const incoming = usedOutputs(test).map((at) => [`dy${at}`, referenceValue(`${test.name}/dy${at}`)]);
  const results = await runCase(graph, { ...caseInputs(test), ...Object.fromEntries(incoming) });
  for (const at of usedOutputs(test)) {
    expect(relativeError(results[`y${at}`]!, referenceValue(`${test.name}/y${at}`)), `y${at}`).toBeLessThan(1e-5);
  }
  for (const at of differentiated(test)) {
    const error = relativeError(results[`dx${at}`]!, referenceValue(`${test.name}/dx${at}`));
    expect(error, `dx${at}`).toBeLessThan(1e-4);
  }
}

const inFloat64 = (test: GradientCase): boolean => ![test.op, test.name].some((name) => FLOAT32_ALONE.includes(name));

const mapped = <T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));

function along(x: Tensor, direction: Tensor, step: number): Tensor {
  const moved = (x.data as Float32Array).map((value, at) => value + step * (direction.data[at] as number));
  return tensor(x.type, x.dims, moved);
}

const dot = (a: Tensor, b: Tensor): number =>
  (a.data as Float32Array).reduce((sum, value, at) => sum + value * (b.data[at] as number), 0);
