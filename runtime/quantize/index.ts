export { CALIBRATION_METHODS, type CalibrationMethod } from "./calibration/ranges.ts";
export type { Samples } from "./calibration/samples.ts";
export type { LayerNoise } from "./noise.ts";
export { type QuantizeOptions, type QuantizeProgress, quantizeModel, quantizeWithReport } from "./quantize.ts";
export type { FloatNode, QuantizationReport } from "./report.ts";
export { TARGETS, type Target } from "./targets.ts";
