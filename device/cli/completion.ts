import type { Command, Option } from "commander";

/** What may be completed of a command. */
export interface CommandSpec {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionSpec[];
  readonly subcommands: readonly CommandSpec[];
  /** What stands where no option does. */
  readonly words: Values;
}

export interface OptionSpec {
  readonly flags: readonly string[];
  readonly description: string;
  /** null: it takes no value. */
  readonly value: Values | null;
}

/** `files`: the shell's own way. `asked`: what `lichen completion --values KIND` says when it is asked. */
export type Values =
  | { readonly tag: "files" }
  | { readonly tag: "choices"; readonly of: readonly string[] }
  | { readonly tag: "asked"; readonly kind: ValueKind };

export const VALUE_KINDS = ["models", "adapters"] as const;
export type ValueKind = (typeof VALUE_KINDS)[number];

/** Of the program itself: what it says of its commands is what is completed. */
export const specOf = (command: Command): CommandSpec => ({
  name: command.name(),
  description: command.description(),
  options: command
    .createHelp()
    .visibleOptions(command)
    .map((option) => optionSpec(option)),
  subcommands: command.commands.map(specOf),
  words: WORDS[command.name()] ?? choicesOf(command.registeredArguments[0]),
});

function optionSpec(option: Option): OptionSpec {
  const flags = [option.short, option.long].filter((flag) => flag !== undefined);
  const takesValue = option.required || option.optional;
  const value: Values = option.long === "--of" ? { tag: "asked", kind: "models" } : choicesOf(option);
  return { flags, description: option.description, value: takesValue ? value : null };
}

const choicesOf = (taker: Pick<Option, "argChoices"> | undefined): Values =>
  taker?.argChoices ? { tag: "choices", of: taker.argChoices } : { tag: "files" };

/** Words that are no files, where the command itself does not name them. */
const WORDS: Readonly<Record<string, Values>> = {
  use: { tag: "asked", kind: "adapters" },
  why: { tag: "choices", of: ["round"] },
};

export const SHELLS = { bash, zsh, fish } satisfies Record<string, (program: CommandSpec) => string>;
export type Shell = keyof typeof SHELLS;

/*
 * Each script holds a table, made here, and a few lines that look things up in it: a completion that had to start Node for each word
 * would take a second on a small board. Only what the daemon knows is asked for.
 */

/** Each command by its path, as `samples export`. */
const flattened = (spec: CommandSpec, path: readonly string[] = []): { path: string; spec: CommandSpec }[] => [
  { path: path.join(" "), spec },
  ...spec.subcommands.flatMap((sub) => flattened(sub, [...path, sub.name])),
];

const flagsOf = ({ options }: CommandSpec): string[] => options.flatMap(({ flags }) => flags);

function bash(program: CommandSpec): string {
  const commands = flattened(program);
  const words = commands.map(
    ({ path, spec }) =>
      `    '${path}') words='${spec.subcommands.map(({ name }) => name).join(" ")}' flags='${flagsOf(spec).join(" ")}';;`,
  );
  const positions = commands.flatMap(({ path, spec }) =>
    spec.words.tag === "files" ? [] : [`    '${path}') ${bashValues(spec.words)};;`],
  );
  const values = commands.flatMap(({ path, spec }) =>
    spec.options.flatMap(({ flags, value }) =>
      value === null ? [] : [`    ${flags.map((flag) => `'${path} ${flag}'`).join("|")}) ${bashValues(value)};;`],
    ),
  );
  return `# bash completion of lichen; to use it: eval "$(lichen completion bash)"
_lichen() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path= words= flags= word
  local -i at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${path:+$path }\${COMP_WORDS[at]}"
    case "$word" in
      ${commands.flatMap(({ path }) => (path === "" ? [] : [`'${path}'`])).join("|")}) path="$word";;
    esac
  done
  case "$path $before" in
${values.join("\n")}
  esac
  if [[ "$current" != -* ]]; then
    case "$path" in
${positions.join("\n")}
    esac
  fi
  case "$path" in
${words.join("\n")}
  esac
  if [[ "$current" == -* ]]; then words="$flags"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -o bashdefault -F _lichen lichen
`;
}

function bashValues(values: Values): string {
  switch (values.tag) {
    case "files":
      return `COMPREPLY=(); return`;
    case "choices":
      return `COMPREPLY=($(compgen -W '${values.of.join(" ")}' -- "$current")); return`;
    case "asked":
      return `COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" completion --values ${values.kind} 2>/dev/null)" -- "$current")); return`;
  }
}

function zsh(program: CommandSpec): string {
  const commands = flattened(program);
  const cases = commands.map(({ path, spec }) => {
    const subs = spec.subcommands.map(({ name, description }) =>
      quotedZsh(`${name}:${description.replaceAll(":", "\\:")}`),
    );
    const options = spec.options.flatMap(({ flags, description }) =>
      flags.map((flag) => quotedZsh(`${flag}:${description.replaceAll(":", "\\:")}`)),
    );
    return `    '${path}') subs=(${subs.join(" ")}); options=(${options.join(" ")}); ${spec.subcommands.length === 0 ? zshValues(spec.words, "position") : ""};;`;
  });
  const values = commands.flatMap(({ path, spec }) =>
    spec.options.flatMap(({ flags, value }) =>
      value === null
        ? []
        : [`    ${flags.map((flag) => `'${path} ${flag}'`).join("|")}) ${zshValues(value, "now")}; return;;`],
    ),
  );
  return `#compdef lichen
# zsh completion of lichen; to use it: source <(lichen completion zsh), after compinit
_lichen() {
  local path_= word position=_files
  local -a subs options
  local -i at
  for ((at = 2; at < CURRENT; at++)); do
    word="\${path_:+$path_ }\${words[at]}"
    case "$word" in
      ${commands.flatMap(({ path }) => (path === "" ? [] : [`'${path}'`])).join("|")}) path_="$word";;
    esac
  done
  case "$path_ \${words[CURRENT-1]}" in
${values.join("\n")}
  esac
  case "$path_" in
${cases.join("\n")}
  esac
  if [[ "$PREFIX" == -* ]]; then _describe option options; return; fi
  if (( \${#subs} )); then _describe command subs; return; fi
  eval "$position"
}
compdef _lichen lichen
`;
}

function zshValues(values: Values, when: "now" | "position"): string {
  const action = zshAction(values);
  return when === "now" ? action : `position=${quotedZsh(action)}`;
}

function zshAction(values: Values): string {
  if (values.tag === "files") return "_files";
  if (values.tag === "choices") return `compadd -- ${values.of.join(" ")}`;
  return `compadd -- \${(f)"$(lichen completion --values ${values.kind} 2>/dev/null)"}`;
}

const quotedZsh = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function fish(program: CommandSpec): string {
  const lines = flattened(program).flatMap(({ path, spec }) => {
    const when =
      path === ""
        ? "__fish_use_subcommand"
        : path
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    const has = `-n '${when}'`;
    const subs = spec.subcommands.map(
      ({ name, description }) => `complete -c lichen -f ${has} -a ${name} -d ${quotedFish(description)}`,
    );
    const words = spec.words.tag === "files" ? [] : [`complete -c lichen -f ${has} -a ${fishValues(spec.words)}`];
    const options = spec.options.map(({ flags, description, value }) => {
      const names = flags
        .map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
        .join(" ");
      const takes = value === null ? "" : value.tag === "files" ? " -r" : ` -x -a ${fishValues(value)}`;
      return `complete -c lichen ${has} ${names}${takes} -d ${quotedFish(description)}`;
    });
    return [...subs, ...words, ...options];
  });
  return `# fish completion of lichen; to use it: lichen completion fish | source\n${lines.join("\n")}\n`;
}

const fishValues = (values: Exclude<Values, { tag: "files" }>): string =>
  values.tag === "choices" ? `'${values.of.join(" ")}'` : `'(lichen completion --values ${values.kind} 2>/dev/null)'`;

const quotedFish = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
