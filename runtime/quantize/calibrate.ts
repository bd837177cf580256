import { LichenError } from "../errors.ts";
import { openSession } from "../execute/session.ts";
import type { Model, ValueName } from "../onnx/graph.ts";
import type { Tensor } from "../onnx/tensor.ts";
import type { Range } from "./parameters.ts";

/** Watches one value over all calibration samples and says which range its quantizer should cover. */
export interface Observer {
  see(values: Float32Array): void;
  range(): Range;
}

/** Covers all that was seen: nothing is clipped, one outlier costs resolution. */
export function minMax(): Observer {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  return {
    see(values) {
      for (const value of values) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    },
    range: () => ({ min, max }),
  };
}

/**
 * Runs the float model over samples and observes values inside it.
 * @param samples inputs, batch first
 * @throws TOO_FEW_SAMPLES when there is none.
 */
export async function calibrate(
  model: Model,
  values: readonly ValueName[],
  samples: Iterable<Tensor<"float32">>,
  observer: () => Observer,
  threads = 1,
): Promise<Map<ValueName, Range>> {
  const input = model.graph.inputs[0]!.name;
  const observers = new Map(values.map((value) => [value, observer()]));
  const inside = values.filter((value) => value !== input);
  const observable = { ...model, graph: { ...model.graph, outputs: inside.map((name) => ({ name })) } };
  const session = await openSession(observable, { threads });
  let seen = 0;
  try {
    for (const sample of samples) {
      const found = { ...(await session.run({ [input]: sample })), [input]: sample };
      for (const [value, watching] of observers) watching.see(found[value]!.data as Float32Array);
      seen++;
    }
  } finally {
    await session.close();
  }
  if (seen === 0) throw new LichenError("TOO_FEW_SAMPLES", { at: "calibration", found: 0, wanted: "at least 1" });
  return new Map([...observers].map(([value, watching]) => [value, watching.range()]));
}
