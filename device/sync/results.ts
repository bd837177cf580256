import type { Result } from "../../fleet/protocol/messages.ts";

/**
 * Results that wait for a connection. They are telemetry, not acknowledged data: the queue lives in memory and is bounded; when it is
 * full the oldest goes and is counted, and the gap in `sequence` tells the reader.
 */
export interface ResultQueue {
  push(result: Omit<Result, "v" | "sequence">): void;
  /** The oldest one, which stays until it is removed. */
  first(): Result | undefined;
  /** Removes that one, if it has not been dropped meanwhile. */
  remove(result: Result): void;
  status(): { queued: number; dropped: number };
}

export function createResultQueue(capacity: number): ResultQueue {
  const queue: Result[] = [];
  let sequence = 0;
  let dropped = 0;
  return {
    push(result) {
      queue.push({ ...result, v: 1, sequence: sequence++ });
      if (queue.length > capacity) {
        queue.shift();
        dropped++;
      }
    },
    first: () => queue[0],
    remove(result) {
      if (queue[0] === result) queue.shift();
    },
    status: () => ({ queued: queue.length, dropped }),
  };
}
