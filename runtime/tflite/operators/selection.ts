import { Refusal } from "../../normalize/refusal.ts";
import { int64, tensor } from "../../onnx/tensor.ts";
import type { Lowering, Rule, Value } from "../lowering.ts";

/** The indices are known; so is what they choose. */
const gather: Rule = ({ inputs, outputs, options }, lowering) => {
  const [data, indices] = inputs as [number, number];
  const output = outputs[0]!;
  if (Number(options.batch_dims ?? 0) !== 0) throw new Refusal("batch_dims", "convert the model without them");
  const rank = lowering.tensor(data).shape.length;
  const axis = Number(options.axis) < 0 ? Number(options.axis) + rank : Number(options.axis);
  const given = lowering.value(data);
  const value = axis === 0 ? lowering.within(given) : given;
  const name = lowering.name(output);
  const chosen = BigInt64Array.from(lowering.integers(indices), BigInt);
  const at = lowering.b.constant(`${name}_indices`, tensor("int64", lowering.tensor(indices).shape, chosen));
  const y = lowering.b.add("Gather", [value.name, at], { axis: lowering.axis(value, axis) }, name);
  const { shape } = lowering.tensor(output);
  lowering.give(output, { name: y, sample: value.own ? shape.slice(1) : shape, own: value.own });
};

interface Cut {
  axis: number;
  begin: number;
  end: number;
  step: number;
}

/** A part of each axis; axis 0 is left alone where it is the batch. */
function cut(lowering: Lowering, input: number, output: number, cuts: readonly Cut[], taken: readonly number[]): void {
  const { shape: from } = lowering.tensor(input);
  const { shape: to } = lowering.tensor(output);
  const value = lowering.value(input);
  const name = lowering.name(output);
  const due = cuts.filter(
    ({ axis, begin, end, step }) => !(value.own && axis === 0) && !(begin === 0 && end >= from[axis]! && step === 1),
  );
  const own = value.own && !taken.includes(0);
  const sample = own ? to.slice(1) : to;
  if (due.length === 0) {
    lowering.same(output, lowering.resized(value, sample, own, name));
    return;
  }
  const constant = (part: string, numbers: readonly number[]) => lowering.b.constant(`${name}_${part}`, int64(numbers));
  const operands = [
    constant(
      "begin",
      due.map(({ begin }) => begin),
    ),
    constant(
      "end",
      due.map(({ end }) => end),
    ),
    constant(
      "axes",
      due.map(({ axis }) => lowering.axis(value, axis)),
    ),
    constant(
      "steps",
      due.map(({ step }) => step),
    ),
  ];
  const part = lowering.b.add("Slice", [value.name, ...operands], {}, name);
  const left = from.map((size, axis) => {
    const one = due.find((candidate) => candidate.axis === axis);
    return one ? Math.max(0, Math.ceil((Math.max(one.end, -1) - one.begin) / one.step)) : size;
  });
  const whole: Value = { name: part, sample: value.own ? left.slice(1) : left, own: value.own };
  lowering.give(output, lowering.resized(whole, sample, own, `${name}_taken`));
}

const slice: Rule = ({ inputs, outputs }, lowering) => {
  const [input, begins, sizes] = inputs as [number, number, number];
  const { shape } = lowering.tensor(input);
  const counts = lowering.integers(sizes);
  const cuts = lowering.integers(begins).map((begin, axis) => ({
    axis,
    begin,
    end: counts[axis]! < 0 ? shape[axis]! : begin + counts[axis]!,
    step: 1,
  }));
  cut(lowering, input, outputs[0]!, cuts, []);
};

/** Masks have a bit for each axis. @see tensorflow/lite/kernels/internal/strided_slice_logic.h */
const stridedSlice: Rule = ({ inputs, outputs, options }, lowering) => {
  const [input, ...parameters] = inputs as [number, number, number, number];
  const { shape } = lowering.tensor(input);
  const [begins, ends, steps] = parameters.map((index) => lowering.integers(index)) as [number[], number[], number[]];
  const has = (mask: string, axis: number) => ((Number(options[mask] ?? 0) >> axis) & 1) === 1;
  if (Number(options.ellipsis_mask ?? 0) !== 0 || Number(options.new_axis_mask ?? 0) !== 0 || options.offset === true) {
    throw new Refusal("an ellipsis, a new axis or offsets", "convert the model with plain slices");
  }
  const taken = begins.flatMap((_, axis) => (has("shrink_axis_mask", axis) ? [axis] : []));
  const cuts = begins.map((given, axis): Cut => {
    const [size, step] = [shape[axis]!, steps[axis]!];
    const within = (place: number) => {
      const front = place < 0 ? place + size : place;
      return step > 0 ? Math.min(Math.max(front, 0), size) : Math.min(Math.max(front, -1), size - 1);
    };
    const begin = has("begin_mask", axis) ? (step > 0 ? 0 : size - 1) : within(given);
    if (taken.includes(axis)) return { axis, begin: within(given), end: within(given) + 1, step: 1 };
    const end = has("end_mask", axis) ? (step > 0 ? size : -1) : within(ends[axis]!);
    return { axis, begin, end: end < 0 ? BEFORE_ALL : end, step };
  });
  cut(lowering, input, outputs[0]!, cuts, taken);
};

/** As an end of going backwards: −1 would be the last place. */
const BEFORE_ALL = -(2 ** 31);

const split =
  (places: { input: number; axis: number }): Rule =>
  ({ inputs, outputs }, lowering) => {
    const input = inputs[places.input]!;
    const { shape } = lowering.tensor(input);
    const [given = 0] = lowering.integers(inputs[places.axis]!);
    parts(lowering, input, outputs, given < 0 ? given + shape.length : given);
  };

function parts(lowering: Lowering, input: number, outputs: readonly number[], axis: number): void {
  const given = lowering.value(input);
  if (outputs.length === 1) lowering.same(outputs[0]!, given);
  if (outputs.length === 1) return;
  const value = axis === 0 ? lowering.within(given) : given;
  const name = lowering.name(outputs[0]!);
  const shapes = outputs.map((output) => lowering.tensor(output).shape);
  const sizes = lowering.b.constant(`${name}_sizes`, int64(shapes.map((shape) => shape[axis]!)));
  const names = lowering.b.addMany(
    "Split",
    [value.name, sizes],
    outputs.length,
    { axis: lowering.axis(value, axis) },
    `${name}_split`,
  );
  for (const [at, output] of outputs.entries()) {
    const shape = shapes[at]!;
    lowering.give(output, { name: names[at]!, sample: value.own ? shape.slice(1) : shape, own: value.own });
  }
}

const unpack: Rule = ({ inputs, outputs, options }, lowering) => {
  const input = inputs[0]!;
  const { shape } = lowering.tensor(input);
  const axis = Number(options.axis) < 0 ? Number(options.axis) + shape.length : Number(options.axis);
  for (const [place, output] of outputs.entries()) {
    cut(lowering, input, output, [{ axis, begin: place, end: place + 1, step: 1 }], [axis]);
  }
};

export const SELECTION_RULES: Readonly<Record<string, Rule>> = {
  GATHER: gather,
  SLICE: slice,
  SPLIT: split({ axis: 0, input: 1 }),
  SPLIT_V: split({ axis: 2, input: 0 }),
  STRIDED_SLICE: stridedSlice,
  UNPACK: unpack,
};
