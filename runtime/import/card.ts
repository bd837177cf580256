import type { Card, Preprocessing } from "../package/card.ts";
import type { CardDraft } from "../package/encode.ts";
import type { TfliteMetadata } from "../tflite/model.ts";
import type { Note } from "./note.ts";

/** What the owner of a model says of it. */
export interface CardOptions {
  id?: string;
  version?: string;
  description?: string;
  licence?: string;
  data?: Card["data"];
  metrics?: Card["metrics"];
}

interface Found {
  /** The file's name. */
  at: string;
  says: TfliteMetadata;
  preprocessing: Preprocessing;
  labels: string[];
}

/** The card of an imported model; its owner's words come before the file's. */
export function cardFor({ at, says, preprocessing, labels }: Found, options: CardOptions, note: Note): CardDraft {
  const licence = options.licence ?? says.licence;
  if (!licence) note("the licence is not known: say it with --licence, if others are to use the package");
  return {
    id: options.id ?? idOf(at),
    version: options.version ?? (says.version || "1"),
    description: options.description ?? descriptionOf(at, says),
    licence: licence || "unknown",
    preprocessing,
    labels,
    data: options.data ?? [],
    metrics: options.metrics ?? [],
  };
}

const fileName = (at: string): string => at.split(/[/\\]/).at(-1)!;

function descriptionOf(at: string, { name, description, author }: TfliteMetadata): string {
  const said = [name, description].filter(Boolean).join(": ");
  return [said, author && `By ${author}.`].filter(Boolean).join(" ") || `Imported from ${fileName(at)}.`;
}

/** `Mobilenet V2 (1.0).int8.tflite` → `mobilenet-v2-1.0-int8`: what a card allows, from any name. */
function idOf(at: string): string {
  const name = fileName(at)
    .replace(/\.(onnx|tflite|lite|pb)$/i, "")
    .toLowerCase();
  const id = name
    .replaceAll(/[^a-z0-9._]+/g, "-")
    .replaceAll(/-*\.-*/g, ".")
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
  return id || "model";
}
