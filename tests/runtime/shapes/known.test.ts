import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { type AttributeValue, asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { ELEMENT_CODES } from "../../../runtime/onnx/elements.ts";
import type { Dim, ValueName } from "../../../runtime/onnx/graph.ts";
import { float32, int64, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { divide, elementsPerSample, multiply } from "../../../runtime/shapes/dims.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";

describe("sizes with the batch in them", () => {
  it("multiply and divide as long as one batch remains at most", () => {
    expect([multiply("N", 12), multiply(3, "4*N"), multiply("N", 1), multiply("N", 0)]).toEqual([
      "12*N",
      "12*N",
      "N",
      0,
    ]);
    expect([divide("12*N", 4), divide("12*N", "N"), divide("N", 1), divide(12, 4)]).toEqual(["3*N", 12, "N", 3]);
    expect([multiply("N", "N"), divide("N", 2), divide(12, "N"), divide("N", "M")]).toEqual(Array(4).fill(undefined));
  });

  it("count what belongs to one sample", () => {
    expect(elementsPerSample(["12*N", 5, 4])).toBe(240);
    expect(elementsPerSample([])).toBe(1);
  });
});

describe("targets that exporters compute from shapes", () => {
  it("as PyTorch's vision transformer flattens its patches", () => {
    const { b, x, size, whole } = exported(["N", 192, 14, 14]);
    const target = b.add("Concat", [whole(size(x, 0)), whole(size(x, 1)), b.constant("rest", int64([-1]))], {
      axis: 0,
    });
    expect(shapeOf(b, b.add("Reshape", [x, target]))).toEqual(["N", 192, 196]);
  });

  it("as multi-head attention folds its heads into the batch, and back", () => {
    const { b, x, size, whole } = exported(["N", 5, 48]);
    const heads = b.constant("heads", tensor("int64", [], BigInt64Array.of(12n)));
    const batches = b.add("Mul", [size(x, 0), heads]);
    const width = b.add("Div", [size(x, 2), heads]);
    const folded = b.add("Reshape", [
      x,
      b.add("Concat", [whole(batches), whole(size(x, 1)), whole(width)], { axis: 0 }),
    ]);
    expect(shapeOf(b, folded)).toEqual(["12*N", 5, 4]);
    const back = b.add("Concat", [whole(size(x, 0)), b.constant("five", int64([5])), b.constant("rest", int64([-1]))], {
      axis: 0,
    });
    expect(shapeOf(b, b.add("Reshape", [folded, back]))).toEqual(["N", 5, 48]);
  });

  it("as a class token is expanded to the batch: −1 stands for the size that is there", () => {
    const { b, x, size, whole } = exported(["N", 3, 8]);
    const wish = b.add("Concat", [whole(size(x, 0)), b.constant("rest", int64([-1, -1]))], { axis: 0 });
    const ones = b.add("ConstantOfShape", [b.add("Shape", [wish])], { value: int64([1]) });
    const open = b.add("Equal", [wish, b.add("Mul", [ones, b.constant("minus", int64([-1]))])]);
    const token = b.constant("token", float32([1, 1, 8], Array(8).fill(0)));
    const target = b.add("Where", [open, ones, wish]);
    expect(shapeOf(b, b.add("Expand", [token, target]))).toEqual(["N", 1, 8]);
  });

  it("as PyTorch turns its pads, last axis first, into those of ONNX", () => {
    const { b, x } = exported(["N", 3, 8, 8]);
    const none = b.add("ConstantOfShape", [b.constant("four", int64([4]))], { value: int64([0]) });
    const pairs = b.add("Concat", [b.constant("pads", int64([1, 2, 3, 4])), none], { axis: 0 });
    const rows = b.add("Reshape", [pairs, b.constant("two", int64([-1, 2]))]);
    const bounds = [-1, Number.MIN_SAFE_INTEGER, 0, -1].map((bound) => b.constant("bound", int64([bound])));
    const columns = b.add("Transpose", [b.add("Slice", [rows, ...bounds])], { perm: [1, 0] });
    const pads = b.add("Cast", [b.add("Reshape", [columns, b.constant("flat", int64([-1]))])], {
      to: ELEMENT_CODES.int64,
    });
    expect(inferTypes(b.build("g")).get(pads)!.known).toEqual([0, 0, 3, 1, 0, 0, 4, 2]);
    expect(shapeOf(b, b.add("Pad", [x, pads]))).toEqual(["N", 3, 15, 11]);
  });

  it("refuses a target that depends on data, naming the node", () => {
    const { b, x } = exported(["N", 4]);
    const target = b.add("Cast", [b.add("ReduceMax", [x], { keepdims: 0 })], { to: ELEMENT_CODES.int64 });
    b.add("Reshape", [x, b.add("Unsqueeze", [target, b.constant("axes", int64([0]))])], {}, "odd_one");
    expect(() => inferTypes(b.build("g"))).toThrow(/NO_SHAPE.*Reshape odd_one.*computed as the model runs/);
  });

  it("refuses a target that fixes the batch", () => {
    const { b, x } = exported(["N", 4]);
    b.add("Reshape", [x, b.constant("shape", int64([1, 4]))]);
    expect(() => inferTypes(b.build("g"))).toThrow(/NO_SHAPE.*batch that stays open/);
  });
});

const bound = fc.integer({ min: -5, max: 5 });
const rearrangement = fc.oneof(
  fc.record({ op: fc.constant("Transpose"), perm: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }) }),
  fc.record({
    op: fc.constant("Gather"),
    axis: fc.integer({ min: -3, max: 2 }),
    indices: fc.array(fc.integer({ min: -2, max: 1 }), { minLength: 1 }),
  }),
  fc.record({
    op: fc.constant("Slice"),
    starts: fc.tuple(bound, bound),
    ends: fc.tuple(bound, bound),
    axes: fc.constantFrom([0, 1], [2, 0], [-1, -2]),
    steps: fc.tuple(fc.constantFrom(-2, -1, 1, 2), fc.constantFrom(-1, 1, 3)),
  }),
);

it("rearranges elements of several axes as ONNX Runtime does", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 3, maxLength: 3 }),
      rearrangement,
      async (dims, { op, ...given }) => {
        const b = new GraphBuilder();
        const count = dims.reduce((product, dim) => product * dim);
        const x = b.constant(
          "x",
          tensor(
            "int64",
            dims,
            BigInt64Array.from({ length: count }, (_, at) => BigInt(at)),
          ),
        );
        const operands = Object.entries(given).filter(([name]) => !["perm", "axis"].includes(name));
        const attributes = Object.entries(given).filter(([name]) => ["perm", "axis"].includes(name));
        const y = b.add(
          op,
          [x, ...operands.map(([name, value]) => b.constant(name, int64(value as number[])))],
          Object.fromEntries(attributes),
        );
        b.output(y);
        const session = await openSession(asModel(b.build("rearrangement")));
        const results = await session.run({});
        await session.close();
        expect(inferTypes(b.build("rearrangement")).get(y)!.known).toEqual(elementsOf(results[y]!));
      },
    ),
    { numRuns: 200, seed: 9 },
  );
});

/** Steps of a random program over vectors of integers; each takes operands by their place among all made before. */
type Step = [op: string, operands: number[], attributes?: Record<string, AttributeValue>];

const place = fc.nat({ max: 1000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(
    fc.constantFrom("Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "GreaterOrEqual"),
    fc.tuple(place, place),
  ),
  fc.tuple(fc.constantFrom("Neg", "Abs", "Identity", "Shape", "ReduceProd"), fc.tuple(place)),
  fc.tuple(fc.constant("Gather"), fc.tuple(place, place)),
  fc.tuple(fc.constant("Slice"), fc.tuple(place, place, place)),
  fc.tuple(fc.constant("Concat"), fc.tuple(place, place), fc.constant({ axis: 0 })),
  fc.tuple(fc.constant("Where"), fc.tuple(place, place, place)),
) as fc.Arbitrary<Step>;

it("knows nothing that ONNX Runtime computes otherwise, for any batch", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 4, maxLength: 14 }),
      fc.constantFrom(1, 2, 5),
      async (steps, batch) => {
        const program = programOf(steps);
        const graph = program.build("program");
        const types = inferTypes(graph);
        const known = graph.nodes.map((node) => node.outputs[0]!).filter((name) => types.get(name)!.known);
        for (const name of known) program.output(name);
        const session = await openSession(asModel(program.build("program")));
        const results = await session.run({ x: float32([batch, 3, 8], Array(batch * 24).fill(0)) });
        await session.close();
        for (const name of known) {
          const { type, shape, known: elements } = types.get(name)!;
          expect({ type, dims: shape, elements: elements!.map((element) => withBatch(element, batch)) }).toEqual({
            type: results[name]!.type,
            dims: [...results[name]!.dims],
            elements: elementsOf(results[name]!),
          });
          compared += 1;
        }
      },
    ),
    { numRuns: 150, seed: 5 },
  );
  expect(compared).toBeGreaterThan(700);
});

/** A program of those steps whose operands fit together. */
function programOf(steps: readonly Step[]): GraphBuilder {
  const kept: Step[] = [];
  for (const next of steps) if (fits([...kept, next])) kept.push(next);
  return built(kept);
}

function fits(steps: readonly Step[]): boolean {
  try {
    return [...inferTypes(built(steps).build("trial")).values()].every(({ shape }) => !shape.includes(0));
  } catch {
    return false;
  }
}

const COMPARISONS = ["Equal", "Less", "GreaterOrEqual"];

function built(steps: readonly Step[]): GraphBuilder {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", ["N", 3, 8]);
  const single = [0, -1, 1].map((element) => b.constant("single", int64([element])));
  const vectors = [
    b.add("Shape", [x]),
    ...single,
    b.constant("pair", int64([2, 4])),
    b.constant("three", int64([3, 1, 2])),
  ];
  const truths = [b.add("Less", [vectors[4]!, b.constant("three", int64([3]))])];
  const from = (values: readonly ValueName[], place: number) => values[place % values.length]!;
  for (const [op, places, attributes] of steps) {
    const operands = places.map((place, at) => {
      // Indices that every vector has, divisors that divide, bounds.
      if (op === "Gather" && at === 1) return from(single.slice(0, 2), place);
      if (op === "Div" && at === 1) return from(single.slice(1), place);
      if (op === "Slice" && at > 0) return from(single, place);
      return from(op === "Where" && at === 0 ? truths : vectors, place);
    });
    (COMPARISONS.includes(op) ? truths : vectors).push(b.add(op, operands, attributes));
  }
  return b;
}

const withBatch = (element: Dim, batch: number): number =>
  typeof element === "number"
    ? element
    : element.split("*").reduce((product, part) => product * (part === "N" ? batch : Number(part)), 1);

const elementsOf = (value: Tensor): number[] => Array.from(value.data as Int32Array, Number);

function exported(shape: Dim[]) {
  const b = new GraphBuilder();
  const x = b.input("x", "float32", shape);
  const size = (of: ValueName, axis: number) =>
    b.add("Gather", [b.add("Shape", [of]), b.constant("index", tensor("int64", [], BigInt64Array.of(BigInt(axis))))], {
      axis: 0,
    });
  const whole = (of: ValueName) => b.add("Unsqueeze", [of, b.constant("axes", int64([0]))]);
  return { b, x, size, whole };
}

const shapeOf = (b: GraphBuilder, name: ValueName) => inferTypes(b.build("g")).get(name)!.shape;
