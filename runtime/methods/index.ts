import { LichenError } from "../errors.ts";
import { adapter } from "./adapter.ts";
import { bias } from "./bias.ts";
import { full } from "./full.ts";
import { head } from "./head.ts";
import { layerwise } from "./layerwise.ts";
import { lora } from "./lora.ts";
import type { Method, Settings } from "./method.ts";
import { prompt } from "./prompt.ts";
import { scale } from "./scale.ts";
import { sparse } from "./sparse.ts";

export const METHODS: readonly Method[] = [head, bias, scale, sparse, layerwise, lora, adapter, prompt, full];

/** What chooses among the methods, and so is none of them. */
export const ADAPTIVE = "adaptive";

/** A method as it was asked for. */
export interface Asked {
  method: Method;
  settings: Settings;
}

const BY_NAME = new Map(
  METHODS.flatMap((method) => [method.name, ...method.aliases].map((name) => [name, method] as const)),
);

/**
 * `head+lora:rank=8` → methods with their settings.
 * @throws UNKNOWN_METHOD, naming what there is; BAD_ARGUMENT for a setting; NOTHING_TO_TRAIN for a method named twice
 */
export function parseMethods(text: string): Asked[] {
  const asked = text.split("+").map((part) => {
    const [name = "", ...rest] = part.trim().split(":");
    const pairs = rest.join(":").split(",").filter(Boolean);
    const given = Object.fromEntries(pairs.map((pair) => pair.split("=", 2) as [string, string]));
    return withSettings(findMethod(name), given);
  });
  const twice = asked.find(({ method }, at) => asked.findIndex((other) => other.method === method) < at);
  if (!twice) return asked;
  throw new LichenError("NOTHING_TO_TRAIN", { at: `method ${twice.method.name}`, found: "it is named twice" });
}

/** @throws UNKNOWN_METHOD; BAD_ARGUMENT for `adaptive`, which does not get here where it may stand */
export function findMethod(name: string): Method {
  const method = BY_NAME.get(name.trim().toLowerCase());
  if (method) return method;
  if (name.trim() === ADAPTIVE) {
    throw new LichenError("BAD_ARGUMENT", {
      at: `method ${ADAPTIVE}`,
      found: "it among others, or where no samples are",
      wanted: "it alone, since it chooses methods itself, by the samples",
    });
  }
  throw new LichenError("UNKNOWN_METHOD", { found: `«${name}»`, wanted: [...BY_NAME.keys(), ADAPTIVE].join(", ") });
}

/** @throws BAD_ARGUMENT naming the setting */
export function withSettings(method: Method, given: Readonly<Record<string, unknown>>): Asked {
  const parsed = method.settings.safeParse(given);
  if (parsed.success) return { method, settings: parsed.data };
  const issue = parsed.error.issues[0]!;
  const known = Object.keys(method.settings.safeParse({}).data ?? {}).join(", ");
  const [at, wanted] =
    issue.code === "unrecognized_keys"
      ? ["settings", known === "" ? "none: it has no settings" : `some of ${known}`]
      : [issue.path.join("."), issue.message];
  const found = Object.entries(given).map((pair) => pair.join("="));
  throw new LichenError("BAD_ARGUMENT", { at: `method ${method.name}: ${at}`, found: found.join(","), wanted });
}
