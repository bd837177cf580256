import { LichenError } from "../errors.ts";
import type { TfliteOperator, TfliteTensor } from "./model.ts";

type Rank = number | null;

/** The ranks of the operands that an operator cannot do without, and of what it makes; `null` for any. */
const OPERANDS: Readonly<Record<string, readonly [operands: readonly Rank[], result: Rank]>> = {
  CONV_2D: [[4, 4], 4],
  DEPTHWISE_CONV_2D: [[4, 4], 4],
  /** Sizes of the result, filter, x. */
  TRANSPOSE_CONV: [[1, 4, 4], 4],
  AVERAGE_POOL_2D: [[4], 4],
  MAX_POOL_2D: [[4], 4],
  L2_POOL_2D: [[4], 4],
  RESIZE_BILINEAR: [[4, 1], 4],
  RESIZE_NEAREST_NEIGHBOR: [[4, 1], 4],
  SPACE_TO_DEPTH: [[4], 4],
  DEPTH_TO_SPACE: [[4], 4],
  FULLY_CONNECTED: [[null, 2], null],
  BATCH_MATMUL: [[null, null], null],
  ADD: [[null, null], null],
  SUB: [[null, null], null],
  MUL: [[null, null], null],
  DIV: [[null, null], null],
  POW: [[null, null], null],
  MAXIMUM: [[null, null], null],
  MINIMUM: [[null, null], null],
  SQUARED_DIFFERENCE: [[null, null], null],
  PRELU: [[null, null], null],
  MEAN: [[null, null], null],
  SUM: [[null, null], null],
  REDUCE_MAX: [[null, null], null],
  REDUCE_MIN: [[null, null], null],
  REDUCE_PROD: [[null, null], null],
  PAD: [[null, 2], null],
  PADV2: [[null, 2, null], null],
  MIRROR_PAD: [[null, 2], null],
  TRANSPOSE: [[null, 1], null],
  EXPAND_DIMS: [[null, null], null],
  GATHER: [[null, null], null],
  SLICE: [[null, 1, 1], null],
  STRIDED_SLICE: [[null, 1, 1, 1], null],
  /** The axis, x. */
  SPLIT: [[null, null], null],
  RFFT2D: [[null, 1], null],
};

/** Whatever is not in the table and has a rule reads one tensor at least. */
const ANY = [[null], null] as const;

/** Kernels take these for granted, and so does what is built of the model. @throws MODEL_CORRUPT */
export function assertOperands(
  { name, inputs, outputs }: TfliteOperator,
  tensors: readonly TfliteTensor[],
  at: string,
): void {
  const [operands, result] = Object.hasOwn(OPERANDS, name) ? OPERANDS[name]! : ANY;
  const refuse = (what: string, found: string, wanted: Rank): never => {
    throw new LichenError("MODEL_CORRUPT", {
      at,
      found: `${what} ${found}`,
      wanted: wanted ? `${wanted} axes` : "one",
    });
  };
  for (const [place, rank] of operands.entries()) {
    const shape = tensors[inputs[place] ?? -1]?.shape;
    if (!shape) refuse(`operand ${place}`, "that is not there", rank);
    else if (rank !== null && shape.length !== rank) refuse(`operand ${place}`, `[${shape}]`, rank);
  }
  const shape = tensors[outputs[0] ?? -1]?.shape;
  if (!shape) refuse("a result", "that is not there", result);
  else if (result !== null && shape.length !== result) refuse("a result", `[${shape}]`, result);
}
