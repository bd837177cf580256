import type { ColourOptions } from "./colour.ts";
import type { CropOptions } from "./crop.ts";
import type { CutoutOptions } from "./cutout.ts";
import type { FlipOptions } from "./flip.ts";
import type { GainOptions } from "./gain.ts";
import type { NoiseOptions } from "./noise.ts";
import type { ShiftOptions } from "./shift.ts";
import type { SpectrumMaskOptions } from "./spectrum-mask.ts";

/** How far a view may lie from what the sensor recorded; `null` switches a part off. */
export interface AugmentPolicy {
  // Sounds
  readonly shift: ShiftOptions | null;
  readonly gain: GainOptions | null;
  readonly noise: NoiseOptions | null;
  readonly spectrumMask: SpectrumMaskOptions | null;
  // Pictures
  readonly crop: CropOptions | null;
  /** Off where left and right matter: writing, gauges, sides of a part. */
  readonly flip: FlipOptions | null;
  readonly colour: ColourOptions | null;
  readonly cutout: CutoutOptions | null;
}

/** Mild enough that a person still names the class. */
export const AUGMENT_POLICY: AugmentPolicy = {
  shift: { windowShare: 0.1 },
  gain: { decibels: 6 },
  noise: { leastDecibels: 10, mostDecibels: 30 },
  spectrumMask: { bandShare: 0.2, frameShare: 0.2 },
  crop: { leastArea: 0.6, mostAspect: 4 / 3 },
  flip: { chance: 0.5 },
  colour: { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
  cutout: { sideShare: 1 / 3 },
};
