import { LichenError } from "../runtime/errors.ts";
import {
  type Adapter,
  assertAdapterFits,
  type Classifier,
  createClassifier,
  createPreprocessor,
  decodeAdapter,
  loadModel,
  type ModelPackage,
  type Preprocessor,
} from "../runtime/index.ts";

/** The runtime, bound to this board's model: what the daemon's parts are given, and tests replace. */
export interface Engine {
  readonly model: Pick<ModelPackage, "card" | "sha256">;
  readonly preprocessor: Preprocessor;
  open(adapter?: Adapter): Promise<Classifier>;
  /** @throws ADAPTER_CORRUPT, ADAPTER_WRONG_BASE */
  decode(bytes: Uint8Array, at: string): Adapter;
}

/** @throws MODEL_NOT_FOUND, MODEL_CORRUPT, BAD_CARD, REHEARSAL_CORRUPT */
export async function loadEngine(folder: string, threads: number): Promise<Engine> {
  let atHand: ModelPackage | null = await loadModel(folder);
  const { card, sha256 } = atHand;

  /** Read again for each session but the first: between two, which may be years apart, only the session holds the model. */
  async function whole(): Promise<ModelPackage> {
    const model = atHand ?? (await loadModel(folder));
    atHand = null;
    if (model.sha256 === sha256) return model;
    throw new LichenError("MODEL_CORRUPT", { at: folder, found: `sha256 ${model.sha256}`, wanted: sha256 });
  }

  return {
    model: { card, sha256 },
    preprocessor: createPreprocessor(card.preprocessing),
    open: async (adapter) => createClassifier(await whole(), { threads, ...(adapter && { adapter }) }),
    decode(bytes, at) {
      const adapter = decodeAdapter(bytes, at);
      assertAdapterFits(adapter, { card, sha256 });
      return adapter;
    },
  };
}
