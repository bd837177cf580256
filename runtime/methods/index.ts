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

/** @throws UNKNOWN_METHOD */
export function findMethod(name: string): Method {
  const method = BY_NAME.get(name.trim().toLowerCase());
  if (!method) throw new LichenError("UNKNOWN_METHOD", { found: name, wanted: [...BY_NAME.keys()].join(", ") });
  return method;
}

/** @throws BAD_ARGUMENT naming the setting */
export function withSettings(method: Method, given: Readonly<Record<string, unknown>>): Asked {
  const parsed = method.settings.safeParse(given);
  if (parsed.success) return { method, settings: parsed.data };
  const issue = parsed.error.issues[0]!;
  throw new LichenError("BAD_ARGUMENT", {
    at: `method ${method.name}: ${issue.path.join(".") || "settings"}`,
    found: JSON.stringify(given),
    wanted: issue.message,
  });
}
