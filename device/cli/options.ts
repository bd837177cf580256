import { Option } from "commander";

/** An option as a row of a table: its flags, what it is for, and how its text is read or which words it takes. */
export type OptionRow = readonly [
  flags: string,
  description: string,
  read?: ((text: string) => unknown) | readonly string[],
];

/** Names of the engine's tables. Those themselves would bring ONNX Runtime along for whoever only asks for help; a test compares. */
export const CHOICES = {
  classes: ["keep", "extend", "replace"],
  loss: ["cross-entropy", "bce", "reconstruction", "entropy"],
  optimizer: ["adam", "adamw", "sgd"],
  schedule: ["cosine", "constant"],
} as const;

/** Options under their headings, in the order of the help page. */
export const optionsUnder = (groups: Readonly<Record<string, readonly OptionRow[]>>): Option[] =>
  Object.entries(groups).flatMap(([heading, rows]) => rows.map((row) => optionOf(row).helpGroup(heading)));

function optionOf([flags, description, read]: OptionRow): Option {
  const option = new Option(flags, description);
  if (typeof read === "function") return option.argParser(read);
  return read ? option.choices(read) : option;
}

/**
 * The options that were given, each under the name that the work knows it by. Commander has no types for what a table's rows read and
 * check: whoever asks says what they are.
 */
export const renamed = <Options>(
  given: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, string>>,
): Options =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[names[name] ?? name, value]])),
  ) as Options;
