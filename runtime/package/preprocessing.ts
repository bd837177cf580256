import * as z from "zod";

/** What the model hears of a recording, before anything is computed from it. */
const sound = {
  sampleRateHz: z.int().positive(),
  /** Length of the window the model hears; longer sounds are cut to their loudest part. */
  windowSamples: z.int().positive(),
  /** Where a shorter sound stands in its window; the rest is silence. */
  place: z.enum(["centre", "start"]).default("centre"),
  /** Divides the window by its largest sample, by its largest absolute one, or not at all. Silence stays silence. */
  gain: z.enum(["none", "maximum", "peak"]).default("none"),
  /** The number that full scale becomes: 1 for ±1, 32768 for 16-bit integers. */
  fullScale: z.number().positive().default(1),
};

/**
 * How sound becomes a mel spectrum and its logarithm. The defaults are librosa's, without its centring; where TensorFlow's differ,
 * the field says so.
 */
const spectrum = {
  ...sound,
  /** Length of a frame of the short-time spectrum. */
  frameSamples: z.int().positive(),
  hopSamples: z.int().positive(),
  /** Length of the transform, a power of two; that of the frame where absent. */
  fftSamples: z.int().positive().optional(),
  /** Zeros that fill a frame up to the transform's length: behind it (tf.signal), or around it (librosa, PyTorch). */
  fftPadding: z.enum(["behind", "around"]).default("behind"),
  /** Periodic, as for spectra, or symmetric, as for filters. */
  frameWindow: z.enum(["hann", "hann-symmetric"]).default("hann"),
  /** With `reflect` or `zeros`, half a transform before and behind the window, so that frames lie around their instants. */
  edges: z.enum(["none", "reflect", "zeros"]).default("none"),
  /** Of the magnitude: 2 for power, 1 for amplitude (MLPerf Tiny's KWS). */
  exponent: z.number().positive().default(2),
  mels: z.int().positive(),
  lowHz: z.number().nonnegative(),
  highHz: z.number().positive(),
  melScale: z.enum(["slaney", "htk"]).default("slaney"),
  /** Along which axis a band's sides are straight: frequency (librosa), or mel (TensorFlow, which also leaves out 0 Hz). */
  melSlopes: z.enum(["hertz", "mel"]).default("hertz"),
  /** `slaney` gives every band the same area, `none` the same height. */
  melNorm: z.enum(["slaney", "none"]).default("slaney"),
  logarithm: z.enum(["ln", "log10", "decibels"]).default("ln"),
  /** A power, or whatever the exponent makes of it, above 0: added before the logarithm, or the least that is let into it. */
  powerFloor: z.number().positive(),
  floor: z.enum(["add", "clamp"]).default("add"),
  /** What 0 dB is: a number, or the largest value of the window. */
  reference: z.union([z.number().positive(), z.literal("maximum")]).default(1),
  /** How far below the window's largest value everything else is cut off, in decibels. */
  topDecibels: z.number().positive().optional(),
  /** features = (value − mean) / std */
  mean: z.number().default(0),
  std: z.number().positive().default(1),
  /** [1, 1, bands, frames], [1, 1, frames, bands], or [1, frames · bands], one frame behind the other. */
  axes: z.enum(["bands-frames", "frames-bands", "vector"]).default("bands-frames"),
};

const logMel = z.strictObject({ kind: z.literal("log-mel"), ...spectrum });

const mfcc = z.strictObject({
  kind: z.literal("mfcc"),
  ...spectrum,
  /** How many of the cosine transform's coefficients are kept, from the first on; they are what `axes` calls bands. */
  coefficients: z.int().positive(),
  /** DCT-II, orthonormal (librosa), or as HTK scales it (tf.signal), with a first coefficient √2 times as large. */
  dct: z.enum(["orthonormal", "htk"]).default("orthonormal"),
  /** Of sinusoidal liftering; 0 for none. */
  lifter: z.number().nonnegative().default(0),
});

/** The samples themselves: for models with a front end of their own. */
const waveform = z.strictObject({
  kind: z.literal("waveform"),
  ...sound,
  /** [1, samples], or [1, 1, samples] */
  axes: z.enum(["samples", "channel-samples"]).default("samples"),
});

/** How a picture becomes features, channels first. */
const image = z.strictObject({
  kind: z.literal("image"),
  width: z.int().positive(),
  height: z.int().positive(),
  channels: z.union([z.literal(1), z.literal(3)]),
  /** `cover` loses what stands over, `contain` leaves bars of `background`, `stretch` distorts. */
  fit: z.enum(["cover", "contain", "stretch"]).default("cover"),
  order: z.enum(["rgb", "bgr"]).default("rgb"),
  /** Beneath transparent parts, and beside what is contained. */
  background: z.enum(["black", "white"]).default("black"),
  /** features = (pixel 0–255 − mean) / std, per channel, in the order of `order` */
  mean: z.array(z.number()),
  std: z.array(z.number().positive()),
});

type Spectrum = Omit<z.infer<typeof logMel>, "kind">;

/** What numbers that are each in order may still get wrong together. */
const checks = {
  "log-mel": spectrumIssue,
  mfcc: (p: z.infer<typeof mfcc>) =>
    spectrumIssue(p) ?? (p.coefficients > p.mels ? issue("coefficients", "at most mels") : null),
  waveform: () => null,
  image: (p: z.infer<typeof image>) =>
    p.mean.length !== p.channels
      ? issue("mean", "one number per channel")
      : p.std.length !== p.channels
        ? issue("std", "one number per channel")
        : null,
};

interface Issue {
  field: string;
  wanted: string;
}

const issue = (field: string, wanted: string): Issue => ({ field, wanted });

function spectrumIssue(p: Spectrum): Issue | null {
  const fft = p.fftSamples ?? p.frameSamples;
  const fftField = p.fftSamples === undefined ? "frameSamples" : "fftSamples";
  // A frame with zeros around it takes the transform's place in the window.
  const frame = p.fftPadding === "around" ? fft : p.frameSamples;
  if (!Number.isInteger(Math.log2(fft)) || fft < 2) return issue(fftField, "a power of two");
  if (fft < p.frameSamples) return issue("fftSamples", "at least frameSamples");
  if (p.edges === "none" && frame > p.windowSamples) return issue("frameSamples", "at most windowSamples");
  if (p.edges !== "none" && fft / 2 >= p.windowSamples) return issue(fftField, "less than twice windowSamples");
  if (p.lowHz >= p.highHz || p.highHz > p.sampleRateHz / 2)
    return issue("highHz", "between lowHz and half the sample rate");
  return null;
}

/** How recordings become what a model takes in. Every field is part of the model's identity. */
export const preprocessingSchema = z
  .discriminatedUnion("kind", [logMel, mfcc, waveform, image])
  .superRefine((p, context) => {
    const found = (checks[p.kind] as (p: unknown) => Issue | null)(p);
    if (found) context.addIssue({ code: "custom", path: [found.field], message: found.wanted });
  });

/** As it is written: what is left out has its default. */
export type Preprocessing = z.input<typeof preprocessingSchema>;

/** With every default filled in, as code wants it. */
export type FullPreprocessing = z.output<typeof preprocessingSchema>;
