export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * How long to wait after so many failures in a row: doubling up to a bound, and spread over half of it, so that a fleet does
 * not return in one instant when its broker does.
 * @param failures ≥ 1
 * @param random in [0, 1)
 */
export function backoffMs(failures: number, random: number, { firstMs, mostMs }: Backoff): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (0.5 + random / 2));
}
