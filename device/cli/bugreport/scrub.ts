import { withoutSecrets } from "../../config/secrets.ts";

/** What must not leave the board in words: secrets of the configuration, and names of classes, which may be those of people. */
export interface Unspeakable {
  readonly secrets: readonly string[];
  readonly labels: readonly string[];
}

const HIDDEN = "(hidden)";
const SECRET_KEY = /password|passphrase|secret|token|key$/i;

/** Every value of a configuration that is a secret, wherever else it may turn up. */
export function secretsOf(value: unknown, key = ""): string[] {
  if (typeof value === "string" || typeof value === "number") return secretsIn(String(value), SECRET_KEY.test(key));
  if (typeof value !== "object" || value === null) return [];
  const found = Object.entries(value).flatMap(([name, inner]) => secretsOf(inner, Array.isArray(value) ? key : name));
  return [...new Set(found)].sort((a, b) => b.length - a.length);
}

/** Of an address, who logs in and what is asked for; each as it stands there, and as it is meant. */
function secretsIn(text: string, isSecret: boolean): string[] {
  const found = isSecret ? [text] : [];
  const userinfo = /^[a-z][a-z0-9+.-]*:\/\/([^/@\s]+)@/i.exec(text)?.[1];
  const query = /^[a-z][a-z0-9+.-]*:\/\/[^?\s]*\?([^#\s]+)/i.exec(text)?.[1];
  // Alone it may be a token; before a password it is a name.
  if (userinfo !== undefined) found.push(userinfo.slice(userinfo.indexOf(":") + 1));
  if (query !== undefined) found.push(...query.split("&").map((pair) => pair.slice(pair.indexOf("=") + 1)));
  return found.flatMap((secret) => [secret, decoded(secret)]).filter((secret) => secret.length >= SHORTEST);
}

/** Anything shorter stands in every other word. */
const SHORTEST = 3;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A configuration as it may be shown to strangers: programs without their arguments, which may hold anything. */
export function shownConfig(config: unknown): unknown {
  return withoutArguments(withoutSecrets(config));
}

function withoutArguments(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutArguments);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (name === "argv" && Array.isArray(inner))
        return [name, [inner[0], `(${inner.length - 1} arguments ${HIDDEN})`]];
      return [name, name === "env" ? HIDDEN : withoutArguments(inner)];
    }),
  );
}

/** Any JSON without what must not be said: in values, in the middle of texts, and as keys. */
export function scrubbed(value: unknown, { secrets, labels }: Unspeakable): unknown {
  const numbers = new Map(labels.map((label, at) => [label, `class ${at + 1}`]));
  const text = (words: string): string => scrubText(words, secrets, numbers);
  const walk = (inner: unknown): unknown => {
    if (typeof inner === "number" && secrets.includes(String(inner))) return HIDDEN;
    if (typeof inner === "string") return numbers.get(inner) ?? text(inner);
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== "object" || inner === null) return inner;
    return Object.fromEntries(
      Object.entries(inner).map(([name, each]) => [numbers.get(name) ?? text(name), walk(each)]),
    );
  };
  return walk(value);
}

/** A class's name in a sentence may be a word of the sentence: it goes where it is quoted, part of a path, or a value. */
function scrubText(text: string, secrets: readonly string[], labels: ReadonlyMap<string, string>): string {
  let scrubbed = text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, `$1${HIDDEN}@`);
  for (const secret of secrets) scrubbed = scrubbed.replaceAll(secret, HIDDEN);
  for (const [label, name] of labels) {
    const escaped = label.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    scrubbed = scrubbed
      .replaceAll(
        new RegExp(`(["«'/=:]|found |class )${escaped}(?=["»'/;,.)]|$|\\s)`, "gu"),
        (_, before) => `${before}${name}`,
      )
      .replaceAll(new RegExp(`(^|[\\s"'«(])${escaped}/`, "gu"), (_, before) => `${before}${name}/`);
  }
  return scrubbed;
}
