import { readFile } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import type { Reading } from "../../device/adapters/adapters.ts";
import { createLine } from "../../device/inference/line.ts";
import { createIntake, type IntakeParts } from "../../device/intake.ts";
import { LichenError } from "../../runtime/errors.ts";
import { float32 } from "../../runtime/onnx/tensor.ts";
import { parseCard } from "../../runtime/package/card.ts";
import { testClock } from "./clock.ts";
import { bytesOf, silent, temporaryFolder } from "./fixtures.ts";
import { opened, wav } from "./samples/stores.ts";

const CARD = new URL("../../models/spoken-digits/card.json", import.meta.url);

/** An intake in front of a model that believes what a file says: `0.9` is its probability of the first class. */
async function intake(keeping: IntakeParts["keeping"]) {
  const clock = testClock();
  const store = await opened(await temporaryFolder(), { clock });
  const engine: IntakeParts["engine"] = {
    model: {
      card: {
        labels: ["one", "inbox"],
        preprocessing: parseCard(await readFile(CARD, "utf8"), "card.json").preprocessing,
      },
    },
    preprocessor: {
      extensions: [".wav"],
      features: async (bytes: Uint8Array) => float32([1], [Number(new TextDecoder().decode(bytes))]),
    },
  };
  const classify = async ({ data: [first = 0] }: Reading) => ({
    output: { label: "one", confidence: first, probabilities: Float32Array.of(first, 1 - first) },
    adapter: null,
  });
  const adapters = { serving: () => ({ classify }) };
  const told = { stored: vi.fn(), answered: () => {}, labelled: vi.fn(), inferred: () => {} };
  const line = createLine({ bound: 8, policy: "reject" }, clock);
  const created = createIntake({ ...{ engine, adapters, line, store, clock, log: silent, keeping }, ...told });
  return { sink: created.sinkOf("camera", "folder"), created, store, told };
}

const file = (text: string) => ({ bytes: bytesOf(text), name: "x.wav", at: "x.wav" });

test("what is only inferred is not kept, unless somebody wants to label it later", async () => {
  const forgetful = await intake({ unlabelled: false, confidence: undefined });
  await forgetful.sink.infer(file("0.5"));
  expect(forgetful.store.all()).toEqual([]);
  const keeping = await intake({ unlabelled: true, confidence: undefined });
  await keeping.sink.infer(file("0.5"));
  await keeping.created.infer(file("0.25"), "socket");
  expect(keeping.store.all()).toMatchObject([
    { label: null, origin: null, source: "camera", prediction: { label: "one", confidence: 0.5, adapter: null } },
  ]);
  expect(keeping.told.stored).not.toHaveBeenCalled();
});

test("what the model is sure of is labelled by it, and no label that somebody gave is touched", async () => {
  const { sink, store, told } = await intake({ unlabelled: false, confidence: { min: 0.9, margin: 0.5 } });
  await store.add(wav("0.99", "inbox"));
  for (const text of ["0.99", "0.95", "0.5"]) await sink.infer(file(text));
  expect(store.all().map(({ label, origin }) => [label, origin])).toEqual([
    ["inbox", "folder"],
    ["one", "confidence"],
  ]);
  expect(told.stored).toHaveBeenCalledOnce();
});

test("a full disk is no reason for an inference to fail", async () => {
  const { sink, store } = await intake({ unlabelled: true, confidence: undefined });
  vi.spyOn(store, "add").mockRejectedValue(new LichenError("STORAGE_FAILED"));
  expect(await sink.infer(file("0.5"))).toMatchObject({ label: "one" });
});
