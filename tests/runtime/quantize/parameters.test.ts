import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32 } from "../../../runtime/onnx/tensor.ts";
import { activationScale, quantizeWeight } from "../../../runtime/quantize/parameters.ts";

const finite = fc.float({ min: -1000, max: 1000, noNaN: true });

describe("the scale of an activation", () => {
  it("holds its range to half a step, and zero exactly", () => {
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        const range = { min: Math.min(a, b), max: Math.max(a, b) };
        const { scale, zeroPoint } = activationScale(range);
        expect(Math.fround(scale)).toBe(scale);
        expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255).toBe(true);
        for (const value of [range.min, range.max, 0]) {
          const quantized = Math.max(0, Math.min(255, Math.round(value / scale) + zeroPoint));
          expect(Math.abs((quantized - zeroPoint) * scale - value)).toBeLessThanOrEqual(scale * 0.501 + 1e-6);
        }
      }),
    );
  });

  it("of what a Relu leaves begins at zero", () => {
    expect(activationScale({ min: 0, max: 510 })).toEqual({ scale: 2, zeroPoint: 0 });
  });

  it("of a value that is always zero is usable", () => {
    expect(activationScale({ min: 0, max: 0 })).toEqual({ scale: 1, zeroPoint: 0 });
  });
});

describe("a quantized weight", () => {
  it("has one scale per output channel, along either axis", () => {
    const rows = quantizeWeight(float32([2, 3], [1, 2, -4, 8, 4, 2]), 0, [0, 0], 1, 64);
    expect([...rows.weightScale.data]).toEqual([4 / 64, 8 / 64]);
    expect([...rows.weight.data]).toEqual([16, 32, -64, 64, 32, 16]);
    const columns = quantizeWeight(float32([3, 2], [1, 8, 2, 4, -4, 2]), 1, [0, 0], 1, 64);
    expect([...columns.weightScale.data]).toEqual([4 / 64, 8 / 64]);
    expect([...columns.weight.data]).toEqual([16, 64, 32, 32, -64, 16]);
  });

  it("stays in the limit, is true to half a step, and has a bias at exactly the product of the scales", () => {
    const rows = fc.array(fc.tuple(finite, finite, finite), { minLength: 1, maxLength: 4 });
    const scales = fc.float({ min: Math.fround(1e-4), max: 10, noNaN: true });
    fc.assert(
      fc.property(rows, scales, finite, fc.constantFrom(64, 127), (channels, xScale, bias, limit) => {
        const weight = float32([channels.length, 3], channels.flat());
        const q = quantizeWeight(
          weight,
          0,
          channels.map(() => bias),
          xScale,
          limit,
        );
        q.weightScale.data.forEach((scale, channel) => {
          expect(q.biasScale.data[channel]).toBe(Math.fround(xScale * Number(scale)));
          expect(Math.abs(Number(q.bias.data[channel]))).toBeLessThanOrEqual(2 ** 30 * 1.001);
          for (let i = channel * 3; i < channel * 3 + 3; i++) {
            expect(Math.abs(Number(q.weight.data[i]))).toBeLessThanOrEqual(limit);
            const real = Number(q.weight.data[i]) * Number(scale);
            expect(Math.abs(real - Number(weight.data[i]))).toBeLessThanOrEqual(Number(scale) * 0.501);
          }
        });
      }),
    );
  });

  it("of weights too small for float32 scales is zero, and usable", () => {
    const q = quantizeWeight(float32([1, 2], [1.4e-45, 0]), 0, [0], 1e-4, 64);
    expect([...q.weight.data, ...q.bias.data]).toEqual([0, 0, 0]);
    expect(Number(q.biasScale.data[0])).toBeGreaterThan(0);
  });

  it("keeps the bias of a channel whose weights are all zero", () => {
    const q = quantizeWeight(float32([2, 1], [0, 1]), 0, [3, 0], 0.5, 64);
    expect(Number(q.bias.data[0]) * Number(q.biasScale.data[0])).toBeCloseTo(3, 6);
    expect(q.weight.data[0]).toBe(0);
  });
});
