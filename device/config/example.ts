import { configKeys, type Key } from "./keys.ts";

/** Every key with its meaning and default, commented out, so that a configuration is made by taking comments away. */
export function exampleConfig(): string {
  const keys = configKeys().filter(({ name }) => !name.includes("["));
  return `${HEAD}${keys.map(entry).join("\n")}`;
}

const HEAD = `# Every key of Lichen's configuration. What is commented out shows the default, or an example where there is none.
# Only the model is needed. With several models, what concerns one stands below models: {NAME: ...}.

`;

function entry(key: Key): string {
  const depth = key.name.split(".").length - 1;
  const name = key.name.split(".").at(-1);
  const indent = "  ".repeat(depth);
  const about = [key.meaning, `(${key.type}${key.isRequired ? ", required" : ""})`]
    .filter((part) => part !== "")
    .join(" ");
  const lead = key.isRequired && depth === 0 ? "" : "# ";
  return `${comment(about, indent)}${lead}${indent}${name}:${value(key)}\n`;
}

function value(key: Key): string {
  if (key.type === "section") return "";
  if (key.default !== undefined) return ` ${JSON.stringify(key.default)}`;
  return key.name === "model" ? " models/spoken-digits" : "";
}

/** Words in comment lines of at most 100 characters. */
function comment(text: string, indent: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line.length + word.length < 96 - indent.length)
      lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `${indent}#: ${line}\n`).join("");
}
