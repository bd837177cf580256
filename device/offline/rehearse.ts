import { LichenError } from "../../runtime/index.ts";
import { listed } from "../../runtime/listed.ts";
import type { Model } from "../../runtime/onnx/graph.ts";
import type { CardDraft } from "../../runtime/package/encode.ts";
import type { Rehearsal } from "../../runtime/package/package.ts";
import { makeRehearsal } from "../../runtime/package/rehearsal.ts";
import { createPreprocessor } from "../../runtime/signal/index.ts";
import { readLabelled } from "./dataset.ts";

/** A rehearsal pack from a folder of labelled samples. @throws TOO_FEW_SAMPLES where the model gets none of them right; UNKNOWN_CLASS */
export async function rehearse(
  model: Model,
  card: CardDraft,
  folder: string,
  perClass: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Rehearsal> {
  const samples = await readLabelled(folder, createPreprocessor(card.preprocessing));
  const options = { ...(perClass !== undefined && { perClass }), ...(signal && { signal }) };
  const rehearsal = await makeRehearsal(model, card, samples, options);
  if (rehearsal) return rehearsal;
  throw new LichenError("TOO_FEW_SAMPLES", {
    at: folder,
    found: "no sample that the model gets right",
    wanted: "samples of what it was trained for",
    todo: "check labels, their order, --mean and --std: a model that gets nothing right is shown something else than it was trained on",
  });
}

/** What to tell of classes without an example. */
export function missedClasses({ labels }: Rehearsal, card: CardDraft): string[] {
  const missed = card.labels.filter((_, at) => !labels.includes(at));
  if (missed.length === 0) return [];
  return [
    `the rehearsal pack has no example of ${missed.length} of ${card.labels.length} classes, none of whose samples the model gets right: ${listed(missed)}`,
  ];
}
