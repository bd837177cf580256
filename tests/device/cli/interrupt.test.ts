import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { exitCodeOf } from "../../../device/cli/exit.ts";
import { interruptible } from "../../../device/cli/interrupt.ts";
import { DaemonRefusal } from "../../../device/cli/refusal.ts";
import { LichenError } from "../../../runtime/errors.ts";

it.each(["SIGINT", "SIGTERM"])(
  "%s tells the work to stop, and a second one is nobody's but the system's",
  async (name) => {
    const signals = new EventEmitter();
    const work = (signal: AbortSignal) =>
      new Promise<never>((_, failed) => {
        signal.addEventListener("abort", () => failed(new LichenError("CANCELLED")));
      });
    const running = interruptible(work, signals);
    signals.emit(name);
    expect([signals.listenerCount("SIGINT"), signals.listenerCount("SIGTERM")]).toEqual([0, 0]);
    const error = await running.catch((thrown: unknown) => thrown);
    expect(exitCodeOf(error)).toBe(130);
    expect(exitCodeOf(new DaemonRefusal("CANCELLED", "the daemon is stopping"))).toBe(1);
  },
);

it("work that ends by itself leaves no handler behind", async () => {
  const signals = new EventEmitter();
  expect(await interruptible(async ({ aborted }) => aborted, signals)).toBe(false);
  await expect(interruptible(() => Promise.reject(new Error("broken")), signals)).rejects.toThrow("broken");
  expect(signals.eventNames()).toEqual([]);
});
