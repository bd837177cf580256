/** What gives way when the queue is full. */
export const QUEUE_POLICIES = {
  /** Whoever comes last is turned away. */
  reject: "the newcomer is turned away",
  /** Freshness counts: what has waited longest goes. */
  "drop-oldest": "what has waited longest gives way",
  /** What was first stays first: the last in line goes. */
  "drop-newest": "what came last gives way to the newcomer",
} as const;

export type QueuePolicy = keyof typeof QUEUE_POLICIES;

export interface Waiting<T> {
  readonly source: string;
  readonly item: T;
  readonly sinceMs: number;
}

export type Offered<T> =
  | { readonly tag: "taken" }
  /** Taken in the place of another. */
  | { readonly tag: "exchanged"; readonly dropped: Waiting<T> }
  | { readonly tag: "turned away" };

export interface QueueCounts {
  readonly waiting: number;
  readonly dropped: number;
  readonly perSource: Readonly<Record<string, { readonly waiting: number; readonly dropped: number }>>;
}

/**
 * What waits to be inferred, of several sources. They take turns, and room that is short is taken from whoever holds most of it: a
 * source that floods costs nobody else a place.
 */
export interface InferenceQueue<T> {
  offer(source: string, item: T, nowMs: number): Offered<T>;
  /** Of the source whose turn it is, what has waited longest. */
  take(): Waiting<T> | undefined;
  /** Empties it. */
  drain(): Waiting<T>[];
  isEmpty(): boolean;
  counts(): QueueCounts;
}

export interface QueueOptions {
  /** Places in all, at least 1. */
  readonly bound: number;
  readonly policy: QueuePolicy;
}

export function createQueue<T>({ bound, policy }: QueueOptions): InferenceQueue<T> {
  /** In the order of turns: the first one is next. */
  const lines = new Map<string, Waiting<T>[]>();
  const dropped = new Map<string, number>();
  let waiting = 0;

  /** Of those who hold most, the one whose turn is last: the newcomer's source comes into it with the place that it asks for. */
  function holderOfMost(newcomer: string): string {
    const sizes = [...lines].map(([source, line]) => [source, line.length + (source === newcomer ? 1 : 0)] as const);
    if (!lines.has(newcomer)) sizes.push([newcomer, 1]);
    return sizes.reduce((most, one) => (one[1] >= most[1] ? one : most))[0];
  }

  function append(source: string, item: T, nowMs: number): void {
    const line = lines.get(source);
    if (line === undefined) lines.set(source, [{ source, item, sinceMs: nowMs }]);
    else line.push({ source, item, sinceMs: nowMs });
    waiting++;
  }

  function remove(source: string, end: "first" | "last"): Waiting<T> | undefined {
    const line = lines.get(source);
    const removed = end === "first" ? line?.shift() : line?.pop();
    if (removed !== undefined) waiting--;
    if (line?.length === 0) lines.delete(source);
    return removed;
  }

  const countDrop = (source: string) => void dropped.set(source, (dropped.get(source) ?? 0) + 1);

  return {
    offer(source, item, nowMs) {
      if (waiting < bound) {
        append(source, item, nowMs);
        return { tag: "taken" };
      }
      const victim = holderOfMost(source);
      const gone =
        victim === source && policy === "reject"
          ? undefined
          : remove(victim, policy === "drop-oldest" ? "first" : "last");
      countDrop(victim);
      if (gone === undefined) return { tag: "turned away" };
      append(source, item, nowMs);
      return { tag: "exchanged", dropped: gone };
    },
    take() {
      const [source] = lines.keys();
      if (source === undefined) return undefined;
      const line = lines.get(source)!;
      const taken = remove(source, "first");
      if (line.length > 0) {
        // To the end of the turns.
        lines.delete(source);
        lines.set(source, line);
      }
      return taken;
    },
    drain() {
      const all = [...lines.values()].flat();
      lines.clear();
      waiting = 0;
      return all;
    },
    isEmpty: () => waiting === 0,
    counts: () => ({
      waiting,
      dropped: [...dropped.values()].reduce((sum, count) => sum + count, 0),
      perSource: Object.fromEntries(
        [...new Set([...lines.keys(), ...dropped.keys()])].map((source) => [
          source,
          { waiting: lines.get(source)?.length ?? 0, dropped: dropped.get(source) ?? 0 },
        ]),
      ),
    }),
  };
}
