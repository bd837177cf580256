import { createHash } from "node:crypto";
import { LichenError } from "../../../runtime/errors.ts";
import type { Adapter, Classifier } from "../../../runtime/index.ts";
import { bytesOf } from "../fixtures.ts";

const nothing = { heldOut: null, rehearsal: null };

/** An adapter in all but its numbers: its bytes are its name. */
export function fakeAdapter(name: string): Adapter {
  const bytes = bytesOf(name);
  return {
    sha256: createHash("sha256").update(bytes).digest("hex"),
    bytes,
    tensors: new Map(),
    description: {
      format: 1,
      base: { id: "fake", version: "1", sha256: "0".repeat(64) },
      method: "bias",
      targets: [],
      classes: ["one", "two"],
      samplesPerClass: { one: 3 },
      metrics: { before: nothing, after: nothing },
      lineage: { parents: [], contributors: [] },
      createdAt: null,
      board: "here",
    },
  };
}

export const decodeFake = (bytes: Uint8Array, at: string): Adapter => {
  const name = new TextDecoder().decode(bytes);
  if (name.startsWith("broken")) throw new LichenError("ADAPTER_CORRUPT", { at });
  if (name.startsWith("foreign")) throw new LichenError("ADAPTER_WRONG_BASE", { at });
  return fakeAdapter(name);
};

/** Sessions that tell when they are opened, used and closed. */
export function fakeSessions() {
  const events: string[] = [];
  const nameOf = (adapter?: Adapter) => (adapter ? new TextDecoder().decode(adapter.bytes) : "base");
  const open = async (adapter?: Adapter): Promise<Classifier> => {
    const name = nameOf(adapter);
    if (name.startsWith("unusable")) throw new LichenError("ADAPTER_CORRUPT", { at: name });
    events.push(`open ${name}`);
    return {
      labels: ["one", "two"],
      adapter: adapter?.sha256 ?? null,
      async classify() {
        events.push(`classify ${name}`);
        return { label: "one", confidence: 0.9, probabilities: Float32Array.of(0.9, 0.1) };
      },
      close: async () => void events.push(`close ${name}`),
    };
  };
  return { events, open };
}
