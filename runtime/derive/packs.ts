import type { GraphBuilder } from "../onnx/builder.ts";
import type { ValueName } from "../onnx/graph.ts";
import { elementCount, int64 } from "../onnx/tensor.ts";

/** A tensor that training carries from step to step. */
export interface Carried {
  name: ValueName;
  dims: readonly number[];
}

/**
 * Tensors that go through the optimizer together, as one vector: a network has a hundred small ones, and calling a kernel takes
 * longer than what it does to a bias of 64 numbers. A large tensor is a pack of its own, since joining would copy it.
 */
export type Pack<T extends Carried> = readonly [T, ...T[]];

const LARGEST_JOINED = 4096;

/** @param key tensors of different keys are never joined */
export function packs<T extends Carried>(values: readonly T[], key: (value: T) => unknown = () => null): Pack<T>[] {
  const shared = new Map<unknown, [T, ...T[]]>();
  const alone: Pack<T>[] = [];
  for (const value of values) {
    const group = shared.get(key(value));
    if (elementCount(value.dims) > LARGEST_JOINED) alone.push([value]);
    else if (group) group.push(value);
    else shared.set(key(value), [value]);
  }
  return [...shared.values(), ...alone];
}

export const packDims = (pack: Pack<Carried>): readonly number[] =>
  keepsShape(pack) ? pack[0].dims : [pack.reduce((sum, { dims }) => sum + elementCount(dims), 0)];

/**
 * Where a single tensor ends in an axis of one element, as the weights of pointwise convolutions do, ONNX Runtime has each number
 * meet a scalar in a call of its own: fifty times as long as a vector takes. Flat, they train in half the time.
 */
const keepsShape = ([{ dims }, ...others]: Pack<Carried>): boolean => others.length === 0 && dims.at(-1) !== 1;

/** The tensors of a pack, one behind the other. */
export function join(b: GraphBuilder, pack: Pack<Carried>, value: (carried: Carried) => ValueName): ValueName {
  if (keepsShape(pack)) return value(pack[0]);
  const flat = pack.map((each) => {
    if (each.dims.length === 1) return value(each);
    return b.add("Reshape", [value(each), b.constant("shape", int64([-1]))]);
  });
  return flat.length === 1 ? flat[0]! : b.add("Concat", flat, { axis: 0 });
}

/** Undoes `join`: each tensor in its own shape, in the order of the pack. */
export function split(b: GraphBuilder, pack: Pack<Carried>, joined: ValueName): ValueName[] {
  if (keepsShape(pack)) return [joined];
  return parts(b, pack, joined).map((part, at) => {
    const { dims } = pack[at]!;
    return dims.length === 1 ? part : b.add("Reshape", [part, b.constant("shape", int64(dims))]);
  });
}

function parts(b: GraphBuilder, pack: Pack<Carried>, joined: ValueName): ValueName[] {
  if (pack.length === 1) return [joined];
  const sizes = b.constant("sizes", int64(pack.map(({ dims }) => elementCount(dims))));
  return b.addMany("Split", [joined, sizes], pack.length, { axis: 0 });
}
