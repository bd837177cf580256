export { canvasSize, pictureView } from "./picture.ts";
export { AUGMENT_POLICY, type AugmentPolicy } from "./policy.ts";
export { soundView } from "./sound.ts";
