/** The engine as a library: bytes, tensors and graphs in, the same out. */
export {
  type Adapter,
  type AdapterDescription,
  assertAdapterFits,
  decodeAdapter,
  type Metrics,
  makeAdapter,
  type Score,
} from "./adapter/adapter.ts";
export { type AverageOptions, averageAdapters } from "./adapter/average.ts";
export { ERRORS, type ErrorCode, errorCode, LichenError } from "./errors.ts";
export type { MemoryMeter } from "./execute/memory-meter.ts";
export { DEFAULT_GATE, GATE_REASONS, type GateDecision, type GatePolicy, type GateReason, gate } from "./gate/gate.ts";
export {
  type InspectedLayer,
  type InspectedMethod,
  type Inspection,
  inspectModel,
} from "./inspect/inspect.ts";
export { METHODS } from "./methods/index.ts";
export type { Tensor } from "./onnx/tensor.ts";
export { type Card, type Preprocessing, parseCard } from "./package/card.ts";
export { loadModel, type ModelPackage, type Rehearsal, sha256 } from "./package/package.ts";
export type { Budget, Explanation, Prediction } from "./plan/index.ts";
export type { PlannedTarget } from "./plan/planned-targets.ts";
export type { EvaluateOptions } from "./serve/answers.ts";
export { type Classification, type Classifier, type ClassifierOptions, createClassifier } from "./serve/classifier.ts";
export { type AppraiseOptions, appraise, type Evaluation, evaluate } from "./serve/evaluate.ts";
export { evaluateLoss, type LossEvaluation, type MeasuredLoss } from "./serve/evaluate-loss.ts";
export { merge } from "./serve/merge.ts";
export { AUGMENT_POLICY, type AugmentPolicy, createPreprocessor, type Preprocessor } from "./signal/index.ts";
export { type AdaptReport, type AdaptResult, adapt } from "./train/adapt.ts";
export { DEFAULT_TRAINING, type TrainingOptions } from "./train/options.ts";
export { type PlanReport, plan } from "./train/plan.ts";
export { type AdaptOptions, type CheckpointStore, PROGRESS_PHASES, type Progress } from "./train/request.ts";
export type { OpenRows } from "./train/rows.ts";
export type { Sample } from "./train/samples.ts";
