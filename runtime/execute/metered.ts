import { byteLength } from "../onnx/tensor.ts";
import type { MemoryMeter } from "./memory-meter.ts";
import type { Session } from "./session.ts";

export interface MeteredSession extends Session {
  /** Bytes of a run: the tensors that went in, and what native memory grew by while it went on. null before the first. */
  runBytes(): number | null;
}

/**
 * A session whose first run is measured. Later runs find their buffers in the arena that the first has filled, so that there is
 * nothing more to see; but what JavaScript has not yet collected between them would count as theirs.
 */
export function meterSession(session: Session, meter: MemoryMeter): MeteredSession {
  let runBytes: number | null = null;
  return {
    async run(inputs, outputs) {
      if (runBytes !== null) return session.run(inputs, outputs);
      const given = Object.values(inputs).reduce((sum, value) => sum + byteLength(value), 0);
      meter.resetPeak();
      const before = meter.residentBytes();
      const results = await session.run(inputs, outputs);
      runBytes = given + Math.max(meter.peakBytes() - before, 0);
      return results;
    },
    close: () => session.close(),
    runBytes: () => runBytes,
  };
}
