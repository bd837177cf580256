import { LichenError } from "../errors.ts";
import type { Note } from "./note.ts";

/**
 * The names of a model's classes: those that were given, those that the file brings along, or numbers.
 * @param classes how many there are
 * @throws BAD_ARGUMENT when as many were not given
 */
export function labelsFor(
  classes: number,
  given: readonly string[] | undefined,
  inFile: readonly string[] | undefined,
  note: Note,
): string[] {
  if (classes < 2) {
    throw new LichenError("BAD_CARD", {
      at: "labels",
      found: `a model that answers with ${classes} number`,
      wanted: "two classes at least",
      todo: "export the model with one output for each class",
    });
  }
  if (given && given.length !== classes) throw miscounted(classes, given.length);
  if (given) return distinct(given, note);
  if (inFile?.length === classes) return distinct(inFile, note);
  if (inFile) note(`the file brings ${inFile.length} labels for ${classes} outputs: they are not used`);
  note(`nothing says what the ${classes} classes are called: they have numbers now; name them with --labels`);
  const digits = Math.max(4, String(classes).length);
  return Array.from({ length: classes }, (_, at) => `class-${String(at + 1).padStart(digits, "0")}`);
}

function miscounted(classes: number, labels: number): LichenError {
  return new LichenError("BAD_ARGUMENT", {
    at: "--labels",
    found: `${labels} label${labels === 1 ? "" : "s"}`,
    wanted: `${classes}, one for each output`,
    todo: ADVICE[labels - classes] ?? "give the labels that the model was trained with, in their order",
  });
}

/** Models of TensorFlow often have «background» before the 1000 classes of ImageNet, and lists of labels sometimes. */
const ADVICE: Readonly<Record<number, string>> = {
  [-1]: "if the model's first class is the background, as in TensorFlow's models for ImageNet, add «background» as the first label",
  1: "if the first label is «background» or a heading, and the model has no such class, take that line away",
};

/** A label names one class: of ImageNet's cranes, one is a bird and the other a machine. */
function distinct(labels: readonly string[], note: Note): string[] {
  const taken = new Set<string>();
  const repeated: string[] = [];
  const names = labels.map((label) => {
    let name = label;
    for (let count = 2; taken.has(name); count++) name = `${label} (${count})`;
    taken.add(name);
    if (name !== label) repeated.push(`«${name}»`);
    return name;
  });
  if (repeated.length > 0) note(`some labels stand for several classes, and were told apart: ${repeated.join(", ")}`);
  return names;
}
