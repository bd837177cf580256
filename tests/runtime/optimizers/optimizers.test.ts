import { expect, it } from "vitest";
import { openSession, type Tensors } from "../../../runtime/execute/session.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32, scalar, sliceRows, tensor } from "../../../runtime/onnx/tensor.ts";
import { OPTIMIZERS, type OptimizerName } from "../../../runtime/optimizers/index.ts";
import { referenceValue, relativeError } from "../gradients/case.ts";

const row = (name: string, at: number) => {
  const { data } = sliceRows(referenceValue(name), at, at + 1);
  return float32([6], data as Float32Array);
};

const cases = (Object.keys(OPTIMIZERS) as OptimizerName[]).flatMap((name) => [
  { name, rate: 0.1 },
  { name, rate: 0.4, rateFactor: 0.25 },
]);

it.each(cases)("$name takes PyTorch's steps, at rate $rate times $rateFactor", async ({ name, rate, ...own }) => {
  const { slots, update } = OPTIMIZERS[name];
  const b = new GraphBuilder();
  for (const input of ["theta", "gradient", ...slots]) b.input(input, "float32", [6]);
  for (const input of ["rate", "step"]) b.input(input, "float32", []);
  const next = update(b, { theta: "theta", gradient: "gradient", slots, learningRate: "rate", step: "step", ...own });
  for (const value of [next.theta, ...next.slots]) b.output(value);
  const session = await openSession(asModel(b.build(name)));

  let state: Tensors = { theta: referenceValue("optimizer/start") };
  for (const slot of slots) state = { ...state, [slot]: tensor("float32", [6], new Float32Array(6)) };
  for (let at = 0; at < 5; at++) {
    const results = await session.run({
      ...state,
      gradient: row("optimizer/gradients", at),
      rate: scalar("float32", rate),
      step: scalar("float32", at + 1),
    });
    state = {
      theta: results[next.theta]!,
      ...Object.fromEntries(slots.map((slot, n) => [slot, results[next.slots[n]!]!])),
    };
    expect(relativeError(state.theta!, row(`optimizer/${name}`, at))).toBeLessThan(1e-5);
  }
  await session.close();
});
