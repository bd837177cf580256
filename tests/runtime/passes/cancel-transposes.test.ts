import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Graph, ValueName } from "../../../runtime/onnx/graph.ts";
import { channelsFirst, channelsLast } from "../../../runtime/onnx/layout.ts";
import { float32, int64, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { cancelTransposes } from "../../../runtime/passes/cancel-transposes.ts";
import { prune } from "../../../runtime/passes/prune.ts";
import { noise, random } from "../toy.ts";

const [HEIGHT, WIDTH, CHANNELS] = [6, 4, 3];

/** A network that is grown in the layout [N, H, W, C]; spatial operators stand between two Transposes. */
interface Growing {
  b: GraphBuilder;
  next: () => number;
  value: ValueName;
  /** [H, W, C] */
  sizes: [number, number, number];
}

type Step = (growing: Growing) => Growing;

const spatial =
  (sizes: (from: Growing["sizes"]) => Growing["sizes"], node: (growing: Growing, x: ValueName) => ValueName): Step =>
  (growing) => {
    const { b, value } = growing;
    const y = node(growing, b.add("Transpose", [value], { perm: channelsFirst(4) }));
    return { ...growing, value: b.add("Transpose", [y], { perm: channelsLast(4) }), sizes: sizes(growing.sizes) };
  };

const each =
  (node: (growing: Growing) => ValueName, sizes: (from: Growing["sizes"]) => Growing["sizes"] = (from) => from): Step =>
  (growing) => ({ ...growing, value: node(growing), sizes: sizes(growing.sizes) });

const quantizers = (b: GraphBuilder): ValueName[] => [
  b.constant("scale", float32([], [0.05])),
  b.constant("zero", tensor("uint8", [], Uint8Array.of(120))),
];

const STEPS: Readonly<Record<string, Step>> = {
  convolution: spatial(
    ([h, w]) => [h, w, 4],
    ({ b, next, sizes: [, , c] }, x) =>
      b.add("Conv", [x, b.constant("w", noise([4, c, 3, 3], next, 0.5))], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  ),
  pool: spatial(
    ([h, w, c]) => [h - 1, w - 1, c],
    ({ b }, x) => b.add("MaxPool", [x], { kernel_shape: [2, 2] }),
  ),
  relu: each(({ b, value }) => b.add("Relu", [value])),
  quantized: each(({ b, value }) => {
    const [scale, zero] = quantizers(b) as [ValueName, ValueName];
    return b.add("DequantizeLinear", [b.add("QuantizeLinear", [value, scale, zero]), scale, zero]);
  }),
  bias: each(({ b, value, next, sizes: [, , c] }) => b.add("Add", [value, b.constant("c", noise([c], next))])),
  "per row": each(({ b, value, next, sizes: [h] }) =>
    b.add("Mul", [b.constant("r", noise([1, h, 1, 1], next)), value]),
  ),
  quantizedConstant: each(({ b, value, sizes: [, w, c] }) => {
    const codes = tensor(
      "uint8",
      [w, c],
      Uint8Array.from({ length: w * c }, (_, at) => (at * 37) % 256),
    );
    return b.add("Add", [value, b.add("DequantizeLinear", [b.constant("q", codes), ...quantizers(b)])]);
  }),
  slopes: each(({ b, value, next, sizes: [, , c] }) =>
    b.add("PRelu", [value, b.constant("s", noise([1, 1, c], next))]),
  ),
  softmax: each(({ b, value }) => b.add("Softmax", [value], { axis: -1 })),
  residual: each(({ b, value }) => b.add("Add", [value, b.add("Sigmoid", [value])])),
  joined: each(
    ({ b, value }) => b.add("Concat", [value, b.add("Neg", [value])], { axis: -1 }),
    ([h, w, c]) => [h, w, 2 * c],
  ),
  parted: each(({ b, value, sizes: [, , c] }) => {
    const counts = b.constant("sizes", int64([1, c - 1]));
    const [first, rest] = b.addMany("Split", [value, counts], 2, { axis: 3 }) as [ValueName, ValueName];
    return b.add("Concat", [rest, first], { axis: 3 });
  }),
  padded: each(
    ({ b, value }) =>
      b.add("Pad", [value, b.constant("p", int64([0, 1, 0, 0, 0, 0, 2, 1])), b.constant("v", float32([], [0.5]))]),
    ([h, w, c]) => [h + 1, w + 2, c + 1],
  ),
  cut: each(
    ({ b, value }) => {
      const parts = [
        [1, 0],
        [1000, 2],
        [1, -1],
      ].map((numbers) => b.constant("cut", int64(numbers)));
      return b.add("Slice", [value, ...parts]);
    },
    ([h, w]) => [h - 1, w, 2],
  ),
  chosen: each(
    ({ b, value }) => b.add("Gather", [value, b.constant("at", int64([1, 0, 1]))], { axis: 3 }),
    ([h, w]) => [h, w, 3],
  ),
  attended: each(({ b, value }) => {
    const mean = b.add("ReduceMean", [value, b.constant("axes", int64([1, 2]))], { keepdims: 1 });
    return b.add("Mul", [value, b.add("Sigmoid", [mean])]);
  }),
  excited: each(({ b, value, sizes: [, , c] }) => {
    const mean = b.add("ReduceMax", [value, b.constant("axes", int64([2, 1]))], { keepdims: 0 });
    return b.add("Mul", [value, b.add("Reshape", [mean, b.constant("wide", int64([0, 1, 1, c]))])]);
  }),
};

const ENDS: Readonly<Record<string, (growing: Growing) => ValueName>> = {
  "a product of all places": ({ b, value, next, sizes: [h, w, c] }) => {
    const flat = b.add("Reshape", [value, b.constant("flat", int64([0, h * w * c]))]);
    const [scale, zero] = quantizers(b) as [ValueName, ValueName];
    const real = b.add("DequantizeLinear", [b.add("QuantizeLinear", [flat, scale, zero]), scale, zero]);
    const weight = b.constant("w", noise([5, h * w * c], next, 0.2));
    return b.add("Gemm", [b.add("Relu", [real]), weight], { transB: 1 });
  },
  "a product of matrices": ({ b, value, next, sizes: [h, w, c] }) => {
    const flat = b.add("Flatten", [value]);
    const [scale, zero] = quantizers(b) as [ValueName, ValueName];
    const real = b.add("DequantizeLinear", [b.add("QuantizeLinear", [flat, scale, zero]), scale, zero]);
    const codes = tensor(
      "int8",
      [h * w * c, 2],
      Int8Array.from({ length: h * w * c * 2 }, () => next() * 200 - 100),
    );
    const scales = [
      b.constant("scales", float32([2], [0.01, 0.02])),
      b.constant("zeros", tensor("int8", [2], new Int8Array(2))),
    ];
    const weight = b.add("DequantizeLinear", [b.constant("w", codes), ...scales], { axis: 1 });
    return b.add("MatMul", [real, weight]);
  },
  "a mean": ({ b, value }) => b.add("ReduceMean", [value, b.constant("axes", int64([1, 2]))], { keepdims: 0 }),
};

function grown(steps: readonly string[], end: string, seed: number): Graph {
  const b = new GraphBuilder();
  b.input("x", "float32", ["N", CHANNELS, HEIGHT, WIDTH]);
  const value = b.add("Transpose", ["x"], { perm: channelsLast(4) });
  const start: Growing = { b, next: random(seed), value, sizes: [HEIGHT, WIDTH, CHANNELS] };
  const growing = steps.reduce((current, step) => {
    const after = STEPS[step]!;
    return Math.min(current.sizes[0], current.sizes[1]) > 2 ? after(current) : current;
  }, start);
  b.output(ENDS[end]!(growing));
  return b.build("grown");
}

async function outputsOf(graph: Graph, inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
  const session = await openSession(encodeModel(asModel(graph)));
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

async function expectSame(before: Graph, after: Graph, inputs: Readonly<Record<string, Tensor>>): Promise<void> {
  const [wanted, found] = [await outputsOf(before, inputs), await outputsOf(after, inputs)];
  expect(Object.keys(found)).toEqual(Object.keys(wanted));
  for (const [name, { dims, data }] of Object.entries(wanted)) {
    expect(found[name]!.dims).toEqual(dims);
    data.forEach((value: number | bigint, at: number) => {
      // Float sums in another order; a quantizer at its end may make one step of that, and there are a few behind each other.
      expect(Math.abs(Number(found[name]!.data[at]) - Number(value))).toBeLessThanOrEqual(
        2e-4 + 2e-4 * Math.abs(Number(value)),
      );
    });
  }
}

const transposes = ({ nodes }: Graph) => nodes.filter(({ opType }) => opType === "Transpose").length;

describe("cancelling transposes", () => {
  it("leaves none in networks of the layout [N, H, W, C], and their numbers as they were", async () => {
    const networks = fc.tuple(
      fc.array(fc.constantFrom(...Object.keys(STEPS)), { minLength: 1, maxLength: 7 }),
      fc.constantFrom(...Object.keys(ENDS)),
      fc.nat(1000),
    );
    await fc.assert(
      fc.asyncProperty(networks, async ([steps, end, seed]) => {
        const before = prune(grown(steps, end, seed));
        const after = cancelTransposes(before);
        expect(transposes(after)).toBe(0);
        await expectSame(before, after, { x: noise([2, CHANNELS, HEIGHT, WIDTH], random(seed + 1)) });
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  it.each(Object.keys(STEPS))("works behind: %s", async (step) => {
    const before = prune(grown(["convolution", step, "pool"], "a mean", 3));
    const after = cancelTransposes(before);
    expect(transposes(after)).toBe(0);
    await expectSame(before, after, { x: noise([2, CHANNELS, HEIGHT, WIDTH], random(5)) });
  });

  it("settles: a second time changes nothing", () => {
    const once = cancelTransposes(grown(["convolution", "bias", "quantized", "pool"], "a product of all places", 3));
    expect(cancelTransposes(once).nodes.map(({ opType }) => opType)).toEqual(once.nodes.map(({ opType }) => opType));
  });

  it("brings axes into order where a result or another operator needs them so", async () => {
    const b = new GraphBuilder();
    b.input("x", "float32", ["N", 3, 4, 5]);
    const last = b.add("Relu", [b.add("Transpose", ["x"], { perm: [0, 2, 3, 1] })], {}, "relu");
    b.output(last);
    b.output(b.add("CumSum", [last, b.constant("axis", tensor("int64", [], BigInt64Array.of(2n)))], {}, "sums"));
    const before = b.build("order");
    expect(() => cancelTransposes(before)).toThrow(/CumSum/); // of which no shape is known
    const known = { ...before, outputs: before.outputs.slice(0, 1) };
    const after = cancelTransposes(prune(known));
    expect(transposes(after)).toBe(1);
    await expectSame(prune(known), after, { x: noise([2, 3, 4, 5], random(3)) });
  });

  it("quantizes again where it has to transpose between a DequantizeLinear and its reader", async () => {
    const b = new GraphBuilder();
    b.input("x", "float32", ["N", 12]);
    const [scale, zero] = quantizers(b) as [ValueName, ValueName];
    const places = b.add("Reshape", ["x", b.constant("to", int64([0, 2, 2, 3]))]);
    const real = b.add("DequantizeLinear", [b.add("QuantizeLinear", [places, scale, zero]), scale, zero]);
    const picture = b.add("Transpose", [real], { perm: [0, 3, 1, 2] });
    b.output(b.add("Conv", [picture, b.constant("w", noise([2, 3, 1, 1], random(1)))], {}, "conv"));
    const before = b.build("again");
    const after = cancelTransposes(before);
    const conv = after.nodes.find(({ opType }) => opType === "Conv")!;
    expect(after.nodes.find(({ outputs }) => outputs[0] === conv.inputs[0])!.opType).toBe("DequantizeLinear");
    await expectSame(before, after, { x: noise([2, 12], random(2)) });
  });

  it("makes a Reshape of a Transpose that moves axes of one alone", async () => {
    const b = new GraphBuilder();
    b.input("x", "float32", ["N", 4, 1]);
    b.output(
      b.add(
        "MatMul",
        [b.add("Transpose", ["x"], { perm: [0, 2, 1] }), b.constant("w", noise([4, 2], random(1)))],
        {},
        "y",
      ),
    );
    const before = b.build("ones");
    const after = cancelTransposes(before);
    expect(transposes(after)).toBe(0);
    await expectSame(before, after, { x: noise([2, 4, 1], random(2)) });
  });

  it("leaves the heads of attention to their products", async () => {
    const b = new GraphBuilder();
    b.input("x", "float32", ["N", 4, 6]);
    const heads = b.add("Transpose", [b.add("Reshape", ["x", b.constant("heads", int64([0, 4, 2, 3]))])], {
      perm: [0, 2, 1, 3],
    });
    const scaled = b.add("Mul", [heads, b.constant("f", float32([], [0.5]))]);
    const scores = b.add("Softmax", [b.add("MatMul", [scaled, b.add("Transpose", [heads], { perm: [0, 1, 3, 2] })])], {
      axis: -1,
    });
    const mixed = b.add("Transpose", [b.add("MatMul", [scores, heads])], { perm: [0, 2, 1, 3] });
    b.output(b.add("Reshape", [mixed, b.constant("back", int64([0, 4, 6]))], {}, "y"));
    const before = b.build("attention");
    await expectSame(before, cancelTransposes(before), { x: noise([2, 4, 6], random(2)) });
  });
});
