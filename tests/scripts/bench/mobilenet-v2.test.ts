import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { prepareBase } from "../../../runtime/derive/base.ts";
import { openSession } from "../../../runtime/execute/session.ts";
import { decodeModel } from "../../../runtime/onnx/decode.ts";
import type { Tensor } from "../../../runtime/onnx/tensor.ts";
import { makePlan } from "../../../runtime/plan/plan.ts";
import { quantizeModel } from "../../../runtime/quantize/index.ts";
import { smoothPicture } from "../../../scripts/bench/networks/index.ts";
import { mobileNetV2 } from "../../../scripts/bench/networks/mobilenet-v2.ts";
import { random } from "../../runtime/toy.ts";

const next = random(2);
const pictures = Array.from({ length: 4 }, () => smoothPicture([3, 64, 64], next));

it("has the parameters of the paper's network", () => {
  const { initializers } = mobileNetV2().graph;
  const sizes = [...initializers].map(([name, { data }]) => (name === "low" || name === "high" ? 0 : data.length));
  // torchvision counts 3,504,872 with 34,112 numbers of normalization, of which 17,056 biases stay when it is folded away.
  expect(sizes.reduce((sum, size) => sum + size)).toBe(3_504_872 - 34_112 + 17_056);
});

it("fuses to integers alone, answers like its float self, and trains its last blocks behind a cached prefix", async () => {
  const float = mobileNetV2({ size: 64, classes: 10, width: 0.5 });
  const int8 = await quantizeModel(float, { samples: pictures });
  const folder = await mkdtemp(join(tmpdir(), "lichen-mobilenet-"));
  const file = join(folder, "optimized.onnx");
  const sessions = [await openSession(float), await openSession(int8, { optimizedModelPath: file })];
  const operators = decodeModel(await readFile(file), file).graph.nodes.map(({ opType }) => opType);
  await rm(folder, { recursive: true });
  const count = (operator: string) => operators.filter((found) => found === operator).length;
  expect([count("QLinearConv"), count("QLinearAdd"), count("Conv"), count("Clip")]).toEqual([52, 10, 0, 0]);

  const [expected, found] = await Promise.all(sessions.map((session) => session.run({ features: pictures[0]! })));
  const values = ({ logits }: Record<string, Tensor>) => [...(logits!.data as Float32Array)];
  const distance = Math.hypot(...values(found!).map((value, at) => value - values(expected!)[at]!));
  expect(distance / Math.hypot(...values(expected!))).toBeLessThan(0.2);
  for (const session of sessions) await session.close();

  const plan = makePlan(prepareBase(int8), "bias", { targets: ["block16.*", "top", "logits"] });
  expect(plan.targets.length).toBe(5);
  expect(plan.frontier).toEqual(["block15.sum_q"]);
});
