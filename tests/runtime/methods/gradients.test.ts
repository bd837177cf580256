import { afterAll, describe, expect, it } from "vitest";
import { type Base, prepareBase } from "../../../runtime/derive/base.ts";
import { addForward } from "../../../runtime/derive/forward.ts";
import { parameterGradients } from "../../../runtime/derive/parameter-gradients.ts";
import { openSession, type Session, type Tensors } from "../../../runtime/execute/session.ts";
import { LOSSES } from "../../../runtime/losses/index.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import type { Model } from "../../../runtime/onnx/graph.ts";
import { float32, type Tensor, tensor } from "../../../runtime/onnx/tensor.ts";
import { makePlan, type Plan, startParameters } from "../../../runtime/plan/plan.ts";
import { softmax } from "../../../runtime/train/score.ts";
import { noise, random } from "../toy.ts";
import { CLASSES, NETWORKS, type NetworkName } from "./networks.ts";

/** Issue 3 asks for 1e-3; differences of float32 outputs leave about a tenth of it. */
const TOLERANCE = 1e-3;
const SAMPLES = 6;
const DIRECTIONS = 2;

const METHODS: readonly [method: string, networks: readonly NetworkName[], targets?: string[]][] = [
  ["head", ["convolutions", "transformer", "multiplied"]],
  ["bias", ["convolutions", "transformer", "multiplied"]],
  ["scale", ["convolutions", "transformer", "multiplied"]],
  ["bias+scale", ["convolutions", "transformer", "multiplied"]],
  ["sparse:share=0.5", ["convolutions", "transformer", "multiplied"]],
  ["sparse:share=1", ["convolutions"]],
  ["sparse:share=0.4+scale", ["convolutions", "transformer", "multiplied"]],
  ["sparse:unit=weight,share=0.4", ["convolutions", "transformer", "multiplied"]],
  ["bias+sparse:unit=weight+scale", ["convolutions", "transformer"]],
  ["sparse+bias", ["convolutions", "transformer"]],
  ["bias+sparse", ["convolutions", "transformer"]],
  ["layerwise:layers=4", ["convolutions", "transformer", "multiplied"]],
  ["lora:rank=2", ["convolutions", "transformer", "multiplied"]],
  ["lora:rank=2,down=trained", ["convolutions", "transformer", "multiplied"]],
  ["lora:rank=2,down=trained+scale", ["convolutions", "transformer", "multiplied"]],
  ["lora:rank=2+bias+scale", ["convolutions", "transformer"]],
  ["head+lora:rank=2", ["convolutions", "transformer"]],
  ["full", ["convolutions", "transformer", "multiplied"]],
  ["full+scale", ["convolutions", "transformer"]],
  ["adapter:width=3", ["convolutions", "transformer"]],
  ["adapter:width=3+bias", ["convolutions", "transformer"]],
  ["prompt", ["convolutions", "transformer", "multiplied"]],
  ["prompt:form=border", ["convolutions"]],
  ["prompt:form=tokens", ["transformer"]],
  ["prompt:form=tokens+adapter:width=3+bias+scale", ["transformer"]],
  ["scale", ["convolutions", "transformer"], ["last:2"]],
  ["bias+scale", ["convolutions"], ["depthwise", "paired"]],
];

const sessions: Session[] = [];
afterAll(() => Promise.all(sessions.map((session) => session.close())));

describe.each(METHODS)("the gradients of %s are what differences of the loss are", (method, networks, targets) => {
  it.each(networks)("on %s", async (name) => {
    const base = prepareBase(NETWORKS[name]());
    const plan = makePlan(base, method, targets && { targets });
    const inputs = await frontierOf(plan);
    const run = await opened(stepOf(plan));
    const next = random(11);
    // Away from the start, where half of the products with zero would hide the other half.
    const at = { ...moved(startParameters(plan), next, 0.3), ...farFromKinks(plan) };
    const { loss, gradients } = await evaluated(run, plan, inputs, at);
    expect(Number.isFinite(loss)).toBe(true);
    const all = Object.values(gradients).flatMap((gradient) => Array.from(gradient.data as Float32Array));
    const usual = Math.hypot(...all) / Math.sqrt(all.length);

    for (const { name: parameter, dims } of plan.parameters) {
      expect(gradients[parameter]!.dims, parameter).toEqual(dims);
      for (let repeat = 0; repeat < DIRECTIONS; repeat++) {
        const way = noise(dims, next).data;
        const slope = dot(gradients[parameter]!.data as Float32Array, way);
        const along = async (step: number) => {
          const value = at[parameter]!;
          const there = float32(
            dims,
            Float32Array.from(value.data as Float32Array, (v, i) => v + step * way[i]!),
          );
          return (await evaluated(run, plan, inputs, { ...at, [parameter]: there })).loss;
        };
        const measured = await richardson(along, 0.1 / Math.hypot(...way));
        const size = Math.max(Math.abs(slope), Math.abs(measured), usual * Math.hypot(...way));
        expect(Math.abs(slope - measured) / size, `${parameter}: ${slope} for ${measured}`).toBeLessThan(TOLERANCE);
      }
    }
  });
});

/** Central differences at h, h/2 and h/4, of which the errors of second and fourth order cancel. */
async function richardson(f: (step: number) => Promise<number>, h: number): Promise<number> {
  const [coarse, middle, fine] = [
    ((await f(h)) - (await f(-h))) / (2 * h),
    ((await f(h / 2)) - (await f(-h / 2))) / h,
    ((await f(h / 4)) - (await f(-h / 4))) / (h / 2),
  ] as const;
  const [a, b] = [(4 * middle - coarse) / 3, (4 * fine - middle) / 3];
  return (16 * b - a) / 15;
}

/** (frontier, parameters) → logits, and the gradient of each parameter. */
function stepOf(plan: Plan): Model {
  const { graph, types, logits } = plan.base;
  const b = new GraphBuilder({ source: graph });
  for (const name of plan.frontier) b.input(name, types.get(name)!.type, types.get(name)!.shape);
  for (const { name, dims } of plan.parameters) b.input(name, "float32", dims);
  const forward = addForward(b, plan);
  const shares = b.constant("shares", float32([SAMPLES], Array(SAMPLES).fill(1 / SAMPLES)));
  const labels = b.constant("labels", tensor("int64", [SAMPLES], BigInt64Array.from(LABELS, BigInt)));
  const loss = LOSSES["cross-entropy"].build(b, { logits: logits.name, labels, shares, classes: CLASSES });
  const gradients = parameterGradients(b, plan, forward, loss.gradient);
  b.output(logits.name);
  for (const { name } of plan.parameters) {
    b.alias(`d/${name}`, gradients.get(name)!);
    b.output(`d/${name}`);
  }
  return asModel(b.build("step"));
}

const LABELS = Array.from({ length: SAMPLES }, (_, at) => at % CLASSES);

/** The loss in float64, of float32 logits: rounding it again would cost the differences a digit. */
async function evaluated(session: Session, plan: Plan, frontier: Tensors, parameters: Tensors) {
  const results = await session.run({ ...frontier, ...parameters });
  const logits = results[plan.base.logits.name]!.data as Float32Array;
  const losses = LABELS.map(
    (label, at) => -Math.log(softmax(logits.subarray(at * CLASSES, (at + 1) * CLASSES))[label]!),
  );
  const gradients = Object.fromEntries(plan.parameters.map(({ name }) => [name, results[`d/${name}`]!]));
  return { loss: losses.reduce((sum, each) => sum + each, 0) / SAMPLES, gradients };
}

/** What the base computes up to the frontier for some inputs. */
async function frontierOf({ base, frontier }: Plan): Promise<Tensors> {
  const { graph, input } = base as Base;
  const x = noise([SAMPLES, ...(input.shape.slice(1) as number[])], random(5));
  const inside = frontier.filter((name) => name !== input.name);
  if (inside.length === 0) return { [input.name]: x };
  const part = { ...graph, outputs: inside.map((name) => ({ name })) };
  // Behind the frontier there may be values that only come with the parameters.
  const known = new Set([...graph.initializers.keys(), input.name]);
  const nodes = graph.nodes.filter((node) => {
    const computable = node.inputs.every((name) => name === "" || known.has(name));
    if (computable) for (const output of node.outputs) known.add(output);
    return computable;
  });
  const session = await opened(asModel({ ...part, nodes }));
  const values = await session.run({ [input.name]: x });
  return { ...values, ...(frontier.includes(input.name) && { [input.name]: x }) };
}

async function opened(model: Model): Promise<Session> {
  const session = await openSession(model);
  sessions.push(session);
  return session;
}

const moved = (parameters: Record<string, Tensor>, next: () => number, scale: number): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, { dims, data }]) => {
      const by = noise(dims, next, scale).data;
      return [
        name,
        float32(
          dims,
          Float32Array.from(data as Float32Array, (value, at) => value + by[at]!),
        ),
      ];
    }),
  );

/** The ReLU of a bottleneck: each of its channels clearly on one side. */
const farFromKinks = ({ parameters }: Plan): Record<string, Tensor> =>
  Object.fromEntries(
    parameters
      .filter(({ name }) => name.endsWith("/down_bias"))
      .map(({ name, dims }) => [
        name,
        float32(
          dims,
          Array.from({ length: dims[0]! }, (_, at) => (at % 3 ? 8 : -8)),
        ),
      ]),
  );

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, at) => sum + value * b[at]!, 0);
