/** A configuration without what must not be shown: values of keys that name a secret, and passwords in addresses. */
export function withoutSecrets(value: unknown, key = ""): unknown {
  if (typeof value === "string") return SECRET.test(key) ? HIDDEN : value.replaceAll(IN_ADDRESS, `$1${HIDDEN}@`);
  if (Array.isArray(value)) return value.map((entry) => withoutSecrets(entry, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutSecrets(inner, name)]));
}

const HIDDEN = "(hidden)";
const SECRET = /password|passphrase|secret|token|privatekey/i;
/** `mqtt://name:password@host` */
const IN_ADDRESS = /([a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:)[^\s/@]*@/gi;
