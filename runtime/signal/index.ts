export { AUGMENT_POLICY, type AugmentPolicy } from "./augment/index.ts";
export { fitWindow, logMel } from "./log-mel.ts";
export { createPreprocessor, type Preprocessor } from "./preprocess.ts";
export { resample } from "./resample.ts";
export { decodeWav, encodeWav, type Sound } from "./wav.ts";
