import { expect, it } from "vitest";
import { join, packDims, packs, split } from "../../../runtime/derive/packs.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { noise, random } from "../toy.ts";

const VALUES = [
  { name: "bias", dims: [5] },
  { name: "weight", dims: [3, 2, 1] },
  { name: "temperature", dims: [] },
  { name: "large", dims: [70, 60] },
  { name: "pointwise", dims: [70, 60, 1, 1] },
  { name: "slow", dims: [4], rate: 0.1 },
];

it("small tensors of one key share a pack, large ones and other keys do not", () => {
  const found = packs(VALUES, ({ rate = 1 }) => rate).map((pack) => pack.map(({ name }) => name));
  expect(found).toEqual([["bias", "weight", "temperature"], ["slow"], ["large"], ["pointwise"]]);
});

it("what was joined comes apart the same", async () => {
  const b = new GraphBuilder();
  for (const { name, dims } of VALUES) b.input(name, "float32", dims);
  for (const pack of packs(VALUES)) {
    const joined = join(b, pack, ({ name }) => name);
    b.output(joined, { type: "float32", shape: packDims(pack) });
    for (const [at, value] of split(b, pack, b.add("Neg", [joined])).entries()) {
      b.alias(`minus_${pack[at]!.name}`, value);
      b.output(`minus_${pack[at]!.name}`);
    }
  }
  const session = await openSession(asModel(b.build("packs")));
  const next = random(5);
  const inputs = Object.fromEntries(VALUES.map(({ name, dims }) => [name, noise(dims, next)]));
  const results = await session.run(inputs);
  await session.close();
  for (const { name, dims } of VALUES) {
    expect(results[`minus_${name}`]!.dims).toEqual(dims);
    expect(results[`minus_${name}`]!.data).toEqual(inputs[name]!.data.map((value) => -Number(value)));
  }
});

it("weights of a pointwise convolution are carried flat, so that scalars meet them as a vector", () => {
  const dims = packs(VALUES).map(packDims);
  expect(dims).toEqual([[16], [70, 60], [4200]]);
});
