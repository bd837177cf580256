import { existsSync } from "node:fs";
import { describe, it } from "vitest";
import { type RealModel, realModel } from "../../scripts/bench/real/models.ts";
import { sharedFolder } from "../../scripts/datasets/shared.ts";
import { expectExact } from "../runtime/derive/exact.ts";

const present = existsSync(`${sharedFolder()}/models`);

/** How far features reach: pixels of 0 to 255 around their middle, coefficients, samples of sound. */
const MODELS: readonly [RealModel, number][] = [
  ["mlperf-tiny-ic-int8", 255],
  ["mlperf-tiny-kws-int8", 100],
];

describe.skipIf(!present)(
  "what is trained is what is served with networks by others (skipped without ../shared)",
  () => {
    for (const [name, range] of MODELS) {
      describe(name, () => {
        it.each(["head+bias", "bias+scale", "lora", "full"])("with its own classes: %s", async (method) => {
          await expectExact((await realModel(name))!.model, method, { range, lively: false });
        });
        it.each(["head+bias", "bias+scale+head", "lora+head", "full"])(
          "with others in their place: %s",
          async (method) => {
            await expectExact((await realModel(name))!.model, method, { range, lively: false, replaced: 3 });
          },
        );
      });
    }
  },
);
