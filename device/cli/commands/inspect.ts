import { Command } from "commander";
import type { OfflineInspectResult } from "../../offline/inspect.ts";
import { type AddCommand, jsonOption } from "../command.ts";
import { preprocessed } from "../preprocessed.ts";
import { bytes, facts, grouped, percent, short, show, table, wrapped } from "../terminal.ts";

/** `lichen inspect`: what is in a model, what it costs, what could be trained. */
export const addInspect: AddCommand = (program, terminal) =>
  program.addCommand(
    new Command("inspect")
      .description("describe a model: layers, cost, and what each method would find to train")
      .argument("<model>", "package folder, or any .onnx")
      .addOption(jsonOption())
      .action(async (model: string, { json }: { json?: true }) => {
        const { runOfflineInspect } = await import("../../offline/inspect.ts");
        const result = await runOfflineInspect(model);
        show(terminal, json === true, result, readable(result));
      }),
  );

function readable(result: OfflineInspectResult): string {
  return [
    facts([...identity(result), ...contents(result)]),
    table(
      ["layer", "operator", "numbers", "parameters", "MACs", "output"],
      result.layers.map(({ name, operator, precision, outputShape, parameters, multiplyAccumulates }) => [
        ellipsis(name, 24),
        operator,
        precision,
        parameters,
        multiplyAccumulates ?? "–",
        shape(outputShape),
      ]),
    ),
    methods(result),
    result.problems.flatMap(({ message }) => wrapped(message, 80)).join("\n"),
  ]
    .filter(Boolean)
    .join("\n\n");
}

type Facts = (readonly [name: string, value: string | number])[];

function identity({ file, bytes: size, sha256, card, irVersion, opsets, producer }: OfflineInspectResult): Facts {
  const sets = Object.entries(opsets).map(([domain, version]) => `${domain} ${version}`);
  return [
    ["model", `${file} (${bytes(size)}, sha256 ${short(sha256)})`],
    ...(card ? cardFacts(card) : []),
    ["format", `IR ${irVersion}, ${sets.join(", ")}${producer ? `, made by ${producer}` : ""}`],
  ];
}

const cardFacts = ({
  id,
  version,
  licence,
  preprocessing,
  labels,
}: NonNullable<OfflineInspectResult["card"]>): Facts => [
  ["card", `${id} ${version}, ${licence}`],
  ["hears or sees", preprocessed(preprocessing)],
  ["labels", `${labels.length}: ${labels.slice(0, 12).join(", ")}${labels.length > 12 ? ", …" : ""}`],
];

function contents(result: OfflineInspectResult): Facts {
  const value = ({ name, type, shape: dims }: OfflineInspectResult["inputs"][number]) =>
    `${name} ${type}${shape(dims)}`;
  const total = result.multiplyAccumulates;
  const precisions = Object.entries(result.precision).map(([kind, { layers, multiplyAccumulates }]) => {
    const share = total ? `, ${percent(multiplyAccumulates / total)} of MACs` : "";
    return `${kind}: ${layers} layer${layers === 1 ? "" : "s"}${share}`;
  });
  const operators = Object.entries(result.operators).map(([name, times]) => `${name} ${times}`);
  const blocked = result.withoutGradient.map(({ operator, nodes }) => `${operator} ${nodes}`);
  return [
    ...result.inputs.map((input) => ["input", value(input)] as const),
    ...result.outputs.map((output) => ["output", value(output)] as const),
    ["parameters", `${grouped(result.parameters)} in ${bytes(result.weightBytes)} of constants`],
    ["inference", total === null ? "not known: a shape is missing" : `${grouped(total)} multiply-accumulates a sample`],
    ["numbers", precisions.join("; ") || "–"],
    ["operators", operators.join(", ")],
    ["no gradient", blocked.join(", ") || "none: every operator can stand behind the frontier"],
  ];
}

function methods({ methods: found }: OfflineInspectResult): string {
  const trains = found.flatMap((each) => (each.trains ? [[each.method, each.layers, each.trainableParameters]] : []));
  // Usually one reason stands for all: said once, not once a method.
  const reasons = [...new Set(found.flatMap((each) => (each.trains ? [] : each.reason)))].map((reason) => {
    const names = found.flatMap((each) => (!each.trains && each.reason === reason ? each.method : []));
    return wrapped(`${names.join(", ")}: ${reason}`, 80).join("\n");
  });
  return [...(trains.length > 0 ? [table(["method", "layers", "trainable parameters"], trains)] : []), ...reasons].join(
    "\n\n",
  );
}

const shape = (dims: readonly (number | string)[] | null): string => (dims === null ? "–" : `[${dims.join(", ")}]`);

/** A long name ends with what tells it from its neighbours. */
const ellipsis = (name: string, width: number): string =>
  name.length <= width ? name : `…${name.slice(name.length - width + 1)}`;
