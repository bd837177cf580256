import { expect, it } from "vitest";
import { createMemoryMeter } from "../../device/memory-meter.ts";

const MiB = 2 ** 20;

/** Bytes outside the JavaScript heap, every page of which is touched. */
const native = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(1);

it("sees what native memory comes to, and what it came to at most", () => {
  const meter = createMemoryMeter();
  meter.resetPeak();
  const before = meter.residentBytes();
  let held: Uint8Array | null = native(64 * MiB);
  expect(held.at(-1)).toBe(1);
  expect(meter.peakBytes() - before).toBeGreaterThan(60 * MiB);
  expect(meter.residentBytes() - before).toBeGreaterThan(60 * MiB);
  expect(meter.residentBytes() - before).toBeLessThan(80 * MiB);
  held = null;
  expect(held).toBeNull();
});

it.skipIf(process.platform !== "linux")("forgets a peak when it is told to", async () => {
  const meter = createMemoryMeter();
  const hold = () => native(96 * MiB).length;
  meter.resetPeak();
  const before = meter.residentBytes();
  hold();
  expect(meter.peakBytes() - before).toBeGreaterThan(90 * MiB);
  // The collector that runs in a reset gives memory back beside us, a moment later.
  meter.resetPeak();
  await new Promise((resolve) => setTimeout(resolve, 200));
  meter.resetPeak();
  expect(meter.peakBytes() - before).toBeLessThan(48 * MiB);
});

it("leaves the JavaScript heap out", () => {
  const meter = createMemoryMeter();
  meter.resetPeak();
  const before = meter.residentBytes();
  const objects = Array.from({ length: 400_000 }, (_, at) => ({ at, next: { at } }));
  expect(objects).toHaveLength(400_000);
  expect(Math.abs(meter.residentBytes() - before)).toBeLessThan(16 * MiB);
});
