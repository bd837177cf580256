import { expect, it } from "vitest";
import { CASES, caseGraph, differentiated, usedOutputs } from "./case.ts";

/** Int8 execution never makes the outputs of the float operators, so that a rule which reads them would fail on the first real model. */
it.each(CASES)("a gradient reads what its operator reads, not what it writes: $name", (test) => {
  const { nodes } = caseGraph(test);
  const forward = nodes.find(
    (node) => node.opType === test.op && !node.inputs.some((input) => input.startsWith("dy")),
  )!;
  const written = new Set(forward.outputs);
  const readers = nodes.filter((node) => node.inputs.some((input) => written.has(input)));
  // The graph's own outputs are second names of the operator's.
  const aliases = usedOutputs(test).map((at) => `y${at}`);
  expect(readers.filter((node) => !aliases.includes(node.outputs[0]!)).map((node) => node.name)).toEqual([]);
});

it.each(CASES.filter((test) => differentiated(test).length > 1))("a frozen operand costs nothing: $name", (test) => {
  const all = caseGraph(test).nodes.length;
  for (const at of differentiated(test)) {
    const others = differentiated(test).filter((other) => other !== at);
    expect(caseGraph({ ...test, frozen: [...(test.frozen ?? []), ...others] }).nodes.length).toBeLessThan(all);
  }
});
