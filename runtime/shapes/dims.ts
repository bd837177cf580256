import type { Dim } from "../onnx/graph.ts";

/**
 * Sizes with at most one symbol in them: a number, or a number of batches such as N or 12*N, which exporters make of attention heads
 * and windows. Where arithmetic would leave these, it gives `undefined`.
 */
export function multiply(a: Dim, b: Dim): Dim | undefined {
  const [x, y] = [parse(a), parse(b)];
  if (x.symbol !== "" && y.symbol !== "") return undefined;
  return format({ factor: x.factor * y.factor, symbol: x.symbol || y.symbol });
}

/** Only where nothing remains: 12*N / 4 = 3*N. */
export function divide(a: Dim, b: Dim): Dim | undefined {
  const [x, y] = [parse(a), parse(b)];
  if (y.symbol !== "" && y.symbol !== x.symbol) return undefined;
  const factor = x.factor / y.factor;
  return Number.isInteger(factor) ? format({ factor, symbol: y.symbol === "" ? x.symbol : "" }) : undefined;
}

export const product = (dims: readonly Dim[]): Dim | undefined =>
  dims.reduce<Dim | undefined>((total, dim) => (total === undefined ? total : multiply(total, dim)), 1);

/** How many elements of a value belong to one sample of the batch; all of them where no batch is in the shape. */
export const elementsPerSample = (shape: readonly Dim[]): number =>
  shape.reduce<number>((total, dim) => total * parse(dim).factor, 1);

/** A size where the symbols stand for numbers; NaN for a symbol that nobody knows. */
export function sizeOf(dim: Dim, symbols: Readonly<Record<string, number>>): number {
  const { factor, symbol } = parse(dim);
  return symbol === "" ? factor : factor * (symbols[symbol] ?? Number.NaN);
}

interface Multiple {
  factor: number;
  /** Empty for a plain number. */
  symbol: string;
}

function parse(dim: Dim): Multiple {
  if (typeof dim === "number") return { factor: dim, symbol: "" };
  const [, factor, symbol] = /^(\d+)\*(.+)$/.exec(dim) ?? [];
  return symbol === undefined ? { factor: 1, symbol: dim } : { factor: Number(factor), symbol };
}

/** Batches are counted in whole positive numbers, so that no size of them is ever mistaken for 0 or −1. */
function format({ factor, symbol }: Multiple): Dim | undefined {
  if (symbol === "" || factor === 0) return factor;
  if (!Number.isInteger(factor) || factor < 0) return undefined;
  return factor === 1 ? symbol : `${factor}*${symbol}`;
}
