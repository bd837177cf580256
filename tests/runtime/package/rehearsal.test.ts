import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { sliceRows } from "../../../runtime/onnx/tensor.ts";
import { encodePackage } from "../../../runtime/package/encode.ts";
import { loadModel } from "../../../runtime/package/package.ts";
import { makeRehearsal } from "../../../runtime/package/rehearsal.ts";
import { TARGETS } from "../../../runtime/quantize/targets.ts";
import { argmax } from "../../../runtime/train/score.ts";
import { toyModel, toyPackage, toySamples } from "../toy.ts";

const { model, card } = toyPackage();
const samples = toySamples(80, 3);

/** What the model itself takes each sample for, by ONNX Runtime. */
async function predicted(): Promise<string[]> {
  const session = await openSession(model);
  const answers: string[] = [];
  for (const { features } of samples) {
    const [answer] = Object.values(await session.run({ features }));
    answers.push(card.labels[argmax(answer!.data as Float32Array)]!);
  }
  await session.close();
  return answers;
}

it("holds only what the model gets right, as codes, so many of each class, the first ones", async () => {
  const answers = await predicted();
  const right = samples.filter(({ label }, at) => answers[at] === label);
  expect(right.length).toBeGreaterThan(8);
  expect(right.length).toBeLessThan(samples.length);
  const pack = (await makeRehearsal(model, card, samples, { perClass: 3 }))!;
  const expected = card.labels.flatMap((label) => right.filter((each) => each.label === label).slice(0, 3));
  expect(pack.labels.map((label) => card.labels[label])).toEqual(expected.map(({ label }) => label));
  expect([pack.value, pack.features.type, pack.features.dims[0]]).toEqual(["features_q", "uint8", expected.length]);
  for (const [at, { features }] of expected.entries()) {
    const codes = Array.from(features.data as Float32Array, (x) =>
      Math.max(0, Math.min(255, Math.round(x / Math.fround(0.016)) + 128)),
    );
    expect(Array.from(sliceRows(pack.features, at, at + 1).data as Uint8Array)).toEqual(codes);
  }
});

it("is the same for a package of int8 activations, whose training graphs read uint8 too", async () => {
  const signed = TARGETS.arm64.finish(model);
  expect(await makeRehearsal(signed, card, samples)).toEqual(await makeRehearsal(model, card, samples));
});

it("is nothing where the model gets nothing right", async () => {
  const answers = await predicted();
  const wrong = samples.filter(({ label }, at) => answers[at] !== label);
  expect(await makeRehearsal(model, card, wrong)).toBeNull();
  await expect(makeRehearsal(model, card, [{ ...samples[0]!, label: "whale" }])).rejects.toThrow(/^UNKNOWN_CLASS/);
});

it("stands in a package that loads, and the same parts give the same bytes", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "lichen package "));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { format: _, sha256: __, ...draft } = { ...card, description: "a toy" };
  const rehearsal = await makeRehearsal(model, card, samples);
  const { files } = encodePackage({ model, card: draft, rehearsal });
  for (const [name, bytes] of Object.entries(files)) await writeFile(path.join(folder, name), bytes);
  const loaded = await loadModel(folder);
  expect(loaded.rehearsal).toEqual(rehearsal);
  expect(loaded.card).toMatchObject(draft);
  expect(encodePackage({ model: toyModel(), card: draft, rehearsal }).files).toEqual(files);
});
