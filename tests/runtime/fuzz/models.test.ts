import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { errorCode } from "../../../runtime/errors.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import { encodeModel } from "../../../runtime/onnx/encode.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { seeded } from "../../../runtime/random/random.ts";
import { decodeTflite } from "../../../runtime/tflite/decode.ts";
import { lowerTflite } from "../../../runtime/tflite/lower.ts";
import { smallTflite } from "../tflite/small.ts";
import { toyModel } from "../toy.ts";
import { mutated } from "./mutations.ts";

/** Of each kind of file; `LICHEN_FUZZ=1000000` tries more of them, `LICHEN_FUZZ_SEED` others. */
const INPUTS = Number(process.env.LICHEN_FUZZ ?? 10_200);
const SEED = Number(process.env.LICHEN_FUZZ_SEED ?? 1);

/** What takes longer on a busy machine has a pass that is not linear. */
const LONGEST_MS = 4_000;
const MOST_GROWTH_BYTES = 400e6;

const root = new URL("../../../", import.meta.url);
const shared = join(process.env.LICHEN_SHARED ?? fileURLToPath(new URL("../shared", root)), "models");

/** Not a Buffer, whose slices are no copies. */
const read = (path: string | URL): Uint8Array => new Uint8Array(readFileSync(path));

interface Kind {
  bases: readonly Uint8Array[];
  decode(bytes: Uint8Array): unknown;
  /** What is built of a model that was read. */
  prepare(model: never): unknown;
}

const KINDS: Readonly<Record<string, Kind>> = {
  ONNX: {
    bases: [encodeModel(toyModel()), read(new URL("models/spoken-digits/model.onnx", root))],
    decode: (bytes) => decodeModel(bytes, "fuzz"),
    prepare: (model: Model) => prepareBase(model),
  },
  TFLite: {
    bases: [
      smallTflite(),
      ...["mlperf_kws_dscnn.int8.tflite", "mlperf_ic_resnet8.int8.tflite"]
        .map((name) => join(shared, name))
        .filter(existsSync)
        .map(read),
    ],
    decode: (bytes) => decodeTflite(bytes, "fuzz"),
    prepare: (model: ReturnType<typeof decodeTflite>) => prepareBase(lowerTflite(model)),
  },
};

describe("damaged model files", () => {
  it.each(Object.entries(KINDS))(
    "%s: each is read or refused with a code, in bounded time and memory",
    (name, { bases, decode, prepare }) => {
      const outcomes = new Map<string, number>();
      const count = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      const peakBefore = peakBytes();
      let slowest = 0;
      for (let index = 0; index < INPUTS; index++) {
        const seed = SEED * 1e6 + index;
        const random = seeded(seed);
        // Small files are mostly structure, large ones mostly weights: damage hits more in the first.
        const base = bases[random() < 0.6 ? 0 : Math.floor(random() * bases.length)]!;
        const bytes = mutated(base, random, bases);
        const begin = performance.now();
        const outcome = attempt(() => {
          const model = decode(bytes);
          if (base !== bases[0] && random() > 0.02) return "decoded";
          prepare(model as never);
          return "prepared";
        });
        slowest = Math.max(slowest, performance.now() - begin);
        count(outcome.code);
        expect(outcome, `seed ${seed}`).not.toMatchObject({ code: "INTERNAL" });
        expect(performance.now() - begin, `ms for seed ${seed}, ${outcome.code}`).toBeLessThan(LONGEST_MS);
      }
      expect(peakBytes() - peakBefore).toBeLessThan(MOST_GROWTH_BYTES);
      // Damage that is always found, or never, would test little.
      expect(outcomes.get("MODEL_CORRUPT")).toBeGreaterThan(INPUTS / 20);
      expect(outcomes.get("prepared")).toBeGreaterThan(INPUTS / 100);
      console.info(name, `slowest ${slowest.toFixed(0)} ms`, Object.fromEntries(outcomes));
    },
    600_000,
  );
});

const peakBytes = (): number => process.resourceUsage().maxRSS * 1024;

function attempt(act: () => string): { code: string; stack?: string | undefined } {
  try {
    return { code: act() };
  } catch (error) {
    const code = errorCode(error);
    return code === "INTERNAL" ? { code, stack: (error as Error).stack } : { code };
  }
}
