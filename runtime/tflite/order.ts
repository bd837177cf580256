import { LichenError } from "../errors.ts";
import type { TfliteModel } from "./model.ts";
import { assertOperands } from "./operands.ts";

/**
 * Every tensor that is read is an input, a constant, or the output of exactly one operator before: so there are no cycles either.
 * @throws MODEL_CORRUPT
 */
export function assertComputable(
  { tensors, operators, inputs, outputs }: Pick<TfliteModel, "tensors" | "operators" | "inputs" | "outputs">,
  at: string,
): void {
  const known = tensors.map(({ data }) => data !== null);
  const name = (index: number) => `tensor ${index}${tensors[index] ? ` (${tensors[index].name.slice(0, 80)})` : ""}`;
  const refuse = (place: string, index: number, found: string, wanted: string): never => {
    throw new LichenError("MODEL_CORRUPT", { at: `${at}: ${place}`, found: `${name(index)}, ${found}`, wanted });
  };
  const write = (place: string, index: number): void => {
    if (!(index in tensors)) refuse(place, index, "which does not exist", `one of ${tensors.length}`);
    if (known[index])
      refuse(place, index, "which is an input, a constant or computed already", "one producer a tensor");
    known[index] = true;
  };
  const read = (place: string, index: number): void => {
    if (!(index in tensors)) refuse(place, index, "which does not exist", `one of ${tensors.length}`);
    if (!known[index]) refuse(place, index, "which nothing computes before", "operators in an order of computation");
  };
  if (inputs.length === 0 || outputs.length === 0) {
    throw new LichenError("MODEL_CORRUPT", { at, found: `${inputs.length} inputs, ${outputs.length} outputs` });
  }
  for (const input of inputs) write("inputs", input);
  operators.forEach((operator, index) => {
    const place = `operator ${index} (${operator.name})`;
    for (const input of operator.inputs) if (input !== LEFT_OUT) read(place, input);
    for (const output of operator.outputs) write(place, output);
    assertOperands(operator, tensors, `${at}: ${place}`);
  });
  for (const output of outputs) read("outputs", output);
}

const LEFT_OUT = -1;
