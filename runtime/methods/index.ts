import { LichenError } from "../errors.ts";
import { bias } from "./bias.ts";
import { head } from "./head.ts";
import type { Method } from "./method.ts";

export const METHODS: readonly Method[] = [head, bias];

const BY_NAME = new Map(
  METHODS.flatMap((method) => [method.name, ...method.aliases].map((name) => [name, method] as const)),
);

/** `head+bias` → [head, bias]. @throws UNKNOWN_METHOD, naming what there is. */
export function parseMethods(text: string): Method[] {
  return text.split("+").map((name) => {
    const method = BY_NAME.get(name.trim());
    if (!method) throw new LichenError("UNKNOWN_METHOD", { found: name, wanted: [...BY_NAME.keys()].join(", ") });
    return method;
  });
}
