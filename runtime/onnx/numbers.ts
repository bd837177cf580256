import { LichenError } from "../errors.ts";
import type { Graph } from "./graph.ts";

/** Infinities are let alone: masks and bounds are made of them. @throws MODEL_CORRUPT */
export function assertNumbers({ initializers }: Graph, file?: string): void {
  for (const [name, { type, data }] of initializers) {
    if (type === "float32" && (data as Float32Array).includes(Number.NaN)) {
      const at = [file, `constant ${name}`].filter(Boolean).join(": ");
      throw new LichenError("MODEL_CORRUPT", { at, found: "a value that is no number (NaN)" });
    }
  }
}
