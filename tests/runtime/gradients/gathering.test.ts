import { expect, it } from "vitest";
import { openSession } from "../../../runtime/execute/session.ts";
import { backward } from "../../../runtime/gradients/backward.ts";
import { asModel, GraphBuilder } from "../../../runtime/onnx/builder.ts";
import { float32, int32, tensor } from "../../../runtime/onnx/tensor.ts";
import { inferTypes } from "../../../runtime/shapes/infer.ts";

/** Words of a batch, which are known only when the model runs: dTable counts each word's gradients. */
it.each(["int64", "int32"] as const)(
  "an embedding adds up the gradients of words that come back, by %s",
  async (type) => {
    const b = new GraphBuilder();
    const table = b.input("table", "float32", [5, 2]);
    const words = b.input("words", type, ["N", 3]);
    const y = b.add("Gather", [table, words]);
    const forward = b.build("embedding");
    const types = inferTypes(forward);
    expect(types.get(y)!.shape).toEqual(["N", 3, 2]);
    const dy = b.input("dy", "float32", ["N", 3, 2]);
    const nodes = [...forward.nodes];
    const gradients = backward(b, {
      nodes,
      type: (name) => types.get(name)!,
      seeds: new Map([[y, dy]]),
      wanted: [table],
    });
    b.output(gradients.get(table)!);

    const session = await openSession(asModel(b.build("embedding")));
    const order = [4, 0, 4, 1, 4, -5];
    const results = await session.run({
      words: type === "int32" ? int32([2, 3], order) : tensor("int64", [2, 3], BigInt64Array.from(order, BigInt)),
      dy: float32([2, 3, 2], [1, 10, 2, 20, 4, 40, 8, 80, 16, 160, 32, 320]),
      table: float32([5, 2], new Float32Array(10)),
    });
    const found = results[gradients.get(table)!]!;
    expect(found.dims).toEqual([5, 2]);
    expect([...(found.data as Float32Array)]).toEqual([2 + 32, 20 + 320, 8, 80, 0, 0, 0, 0, 1 + 4 + 16, 10 + 40 + 160]);
    await session.close();
  },
);
