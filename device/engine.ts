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
  const model = await loadModel(folder);
  return {
    model,
    preprocessor: createPreprocessor(model.card.preprocessing),
    open: (adapter) => createClassifier(model, { threads, ...(adapter && { adapter }) }),
    decode(bytes, at) {
      const adapter = decodeAdapter(bytes, at);
      assertAdapterFits(adapter, model);
      return adapter;
    },
  };
}
