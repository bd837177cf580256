import { describe, expect, it } from "vitest";
import { GRADIENTS } from "../../../runtime/gradients/index.ts";
import { float32, type Tensor } from "../../../runtime/onnx/tensor.ts";
import { noise, random } from "../toy.ts";
import { CASES, openCase, referenceValue, relativeError } from "./case.ts";

/** Covered by the tests of quantized networks: their gradient is a convention (straight-through), not a derivative. */
const BY_CONVENTION = ["QuantizeLinear", "DequantizeLinear"];
/** The same rule as Flatten, with a target that is an operand. */
const SHARED = ["Reshape"];

describe("every gradient rule", () => {
  it("has a case here", () => {
    const ruled = Object.keys(GRADIENTS).filter((op) => GRADIENTS[op] !== null);
    const covered = new Set([...CASES.map((test) => test.op), ...BY_CONVENTION, ...SHARED]);
    expect(ruled.filter((op) => !covered.has(op))).toEqual([]);
  });

  describe.each(CASES)("$name", (test) => {
    it("agrees with PyTorch to 1e-4", async () => {
      const opened = await openCase(test);
      const inputs = Object.fromEntries(test.inputs.map((_, at) => [`x${at}`, referenceValue(`${test.name}/x${at}`)]));
      const results = await opened.run({ ...inputs, dy: referenceValue(`${test.name}/dy`) });
      expect(relativeError(results.y!, referenceValue(`${test.name}/y`))).toBeLessThan(1e-5);
      for (const at of test.inputs.keys()) {
        expect(relativeError(results[`dx${at}`]!, referenceValue(`${test.name}/dx${at}`))).toBeLessThan(1e-4);
      }
      await opened.close();
    });

    it("agrees with finite differences to 1e-4", async () => {
      const opened = await openCase(test);
      const next = random(11);
      const inputs = Object.fromEntries(test.inputs.map((_, at) => [`x${at}`, referenceValue(`${test.name}/x${at}`)]));
      const dy = noise(opened.outputShape as number[], next);
      const loss = async (at: number, direction: Tensor, step: number) => {
        const moved = { ...inputs, [`x${at}`]: along(inputs[`x${at}`]!, direction, step) };
        return dot((await opened.run({ ...moved, dy })).y!, dy);
      };
      const gradients = await opened.run({ ...inputs, dy });
      for (const at of test.inputs.keys()) {
        const direction = noise(test.inputs[at]!, next);
        const slope = async (step: number) =>
          ((await loss(at, direction, step)) - (await loss(at, direction, -step))) / (2 * step);
        // Richardson's extrapolation: the error falls with the fourth power of the step, which float32 needs to be large.
        const step = 0.04;
        const measured = (4 * (await slope(step / 2)) - (await slope(step))) / 3;
        const predicted = dot(gradients[`dx${at}`]!, direction);
        const scale = Math.sqrt(dot(gradients[`dx${at}`]!, gradients[`dx${at}`]!) * dot(direction, direction)) + 1e-6;
        expect(Math.abs(measured - predicted) / scale).toBeLessThan(1e-4);
      }
      await opened.close();
    });
  });
});

const along = (x: Tensor, direction: Tensor, step: number): Tensor =>
  float32(
    x.dims,
    Float32Array.from(x.data as Float32Array, (value, at) => value + step * (direction.data[at] as number)),
  );

const dot = (a: Tensor, b: Tensor): number =>
  (a.data as Float32Array).reduce((sum, value, at) => sum + value * (b.data[at] as number), 0);
