import type { Clock } from "../../clock.ts";

/** Of what comes, what is newest when it is time: at most one in `everyMs`, and never two at once. */
export interface Newest<T> {
  offer(item: T): void;
  /** Items that a newer one came before. */
  passedOver(): number;
  /** Resolves when the one in hand is done with; nothing is acted on any more. */
  stop(): Promise<void>;
}

export interface NewestOptions<T> {
  readonly everyMs: number;
  readonly clock: Pick<Clock, "monotonicMs" | "after">;
  /** Does not reject. */
  act(item: T): Promise<void>;
}

export function createNewest<T>({ everyMs, clock, act }: NewestOptions<T>): Newest<T> {
  let held: { readonly item: T } | undefined;
  let dueMs = Number.NEGATIVE_INFINITY;
  let callOff: (() => void) | undefined;
  let inHand: Promise<void> | undefined;
  let passedOver = 0;
  let isOpen = true;

  function look(): void {
    if (!isOpen || held === undefined || inHand !== undefined || callOff !== undefined) return;
    const nowMs = clock.monotonicMs();
    if (nowMs < dueMs) {
      callOff = clock.after(dueMs - nowMs, () => {
        callOff = undefined;
        look();
      });
      return;
    }
    const { item } = held;
    held = undefined;
    dueMs = nowMs + everyMs;
    inHand = act(item).finally(() => {
      inHand = undefined;
      look();
    });
  }

  return {
    offer(item) {
      if (held !== undefined) passedOver++;
      held = { item };
      look();
    },
    passedOver: () => passedOver,
    async stop() {
      isOpen = false;
      callOff?.();
      await inHand;
    },
  };
}
