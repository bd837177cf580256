import { encodeModel } from "../onnx/encode.ts";
import type { Model } from "../onnx/graph.ts";
import { type Card, parseCard } from "./card.ts";
import { type Rehearsal, sha256 } from "./package.ts";
import { encodeRehearsal } from "./rehearsal.ts";

/** What whoever makes a model knows of it; format and hashes come by themselves. */
export type CardDraft = Omit<Card, "format" | "sha256" | "rehearsal">;

export interface PackageParts {
  model: Model;
  card: CardDraft;
  rehearsal?: Rehearsal | null;
}

export interface EncodedPackage {
  card: Card;
  /** By name, as they lie in the folder. */
  files: Readonly<Record<string, Uint8Array>>;
}

/** The files of a package, checked as `loadModel` would check them. The same parts give the same bytes. @throws BAD_CARD */
export function encodePackage({ model, card, rehearsal }: PackageParts): EncodedPackage {
  const modelBytes = encodeModel(model);
  const modelSha256 = sha256(modelBytes);
  const rehearsalBytes = rehearsal ? encodeRehearsal(rehearsal, modelSha256) : null;
  const { id, version, description, licence, ...rest } = card;
  const whole: Card = {
    ...{ format: 1, id, version, description, licence, sha256: modelSha256 },
    ...rest,
    ...(rehearsalBytes && { rehearsal: { sha256: sha256(rehearsalBytes) } }),
  };
  const text = `${JSON.stringify(whole, null, 2)}\n`;
  return {
    card: parseCard(text, "card.json"),
    files: {
      "model.onnx": modelBytes,
      ...(rehearsalBytes && { "rehearsal.safetensors": rehearsalBytes }),
      "card.json": new TextEncoder().encode(text),
    },
  };
}
