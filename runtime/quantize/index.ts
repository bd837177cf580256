export { minMax, type Observer } from "./calibrate.ts";
export { type QuantizeOptions, quantizeModel } from "./quantize.ts";
