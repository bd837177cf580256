import { LichenError } from "../errors.ts";
import type { ValueInfo } from "../onnx/graph.ts";
import type { Preprocessing } from "../package/card.ts";
import type { TfliteMetadata } from "../tflite/model.ts";
import type { InputCodes } from "./ends.ts";
import type { Note } from "./note.ts";
import type { Range } from "./range.ts";

export interface PreprocessingOptions {
  /** All of it, where its owner knows. */
  preprocessing?: Preprocessing;
  /** One number, or one per channel: features = (pixel 0–255 − mean) / std. With every std below 1, both are meant for pixels from 0 to 1. */
  mean?: readonly number[];
  std?: readonly number[];
  /** Of a model that takes in a waveform. */
  sampleRateHz?: number;
}

/** What is known of an input besides its shape. */
export interface KnownInput {
  input: ValueInfo;
  codes: InputCodes;
  range: Range | null;
  normalization: TfliteMetadata["normalization"];
}

/**
 * How samples become what a model takes in: as its owner says, as its file says, as a quantized input makes evident; or as is usual,
 * with a note.
 * @throws BAD_ARGUMENT where the shape does not say what is taken in
 */
export function preprocessingFor(known: KnownInput, options: PreprocessingOptions, note: Note): Preprocessing {
  const found = options.preprocessing
    ? withGiven(options.preprocessing, options, note)
    : inferred(known, options, note);
  assertSaidOf(found, options);
  return found;
}

function inferred(known: KnownInput, options: PreprocessingOptions, note: Note): Preprocessing {
  const { name, shape } = known.input;
  const sizes = shape.slice(1) as number[];
  const says = options.mean !== undefined || options.std !== undefined;
  if (isPicture(sizes, says)) return picture(known, sizes, options, note);
  const { sampleRateHz } = options;
  const samples = samplesOf(sizes);
  if (samples !== null && sampleRateHz !== undefined) {
    const axes = sizes.length === 1 ? "samples" : "channel-samples";
    return { kind: "waveform", sampleRateHz, windowSamples: samples, axes };
  }
  throw new LichenError("BAD_ARGUMENT", {
    at: samples === null ? "--preprocessing" : "--sample-rate",
    found: `input ${name} of [${shape.join(", ")}], which does not say what it is made of`,
    wanted: samples === null ? WANTED.other : WANTED.waveform,
    todo: "say how samples become features; what a card's preprocessing may be stands in models/README.md",
  });
}

const WANTED = {
  waveform: "--sample-rate, if these are the samples of a sound",
  other: "a JSON file with what a card has as its preprocessing, such as of kind log-mel or mfcc",
};

/** A window of sound has thousands of samples; what has fewer is made of it. */
const FEWEST_SAMPLES = 2000;

/** Of a waveform, [samples] or [1, samples]; null where the shape is another's. */
const samplesOf = (sizes: readonly number[]): number | null =>
  sizes.at(-1)! >= FEWEST_SAMPLES && (sizes.length === 1 || (sizes.length === 2 && sizes[0] === 1))
    ? sizes.at(-1)!
    : null;

/** Colours, or one square channel; any other shape of one channel may as well be a spectrum, unless somebody speaks of pixels. */
const isPicture = (sizes: readonly number[], saysPixels: boolean): boolean =>
  sizes.length === 3 && (sizes[0] === 3 || (sizes[0] === 1 && (sizes[1] === sizes[2] || saysPixels)));

interface Normalization {
  mean: readonly number[];
  std: readonly number[];
}

function picture(
  known: KnownInput,
  sizes: readonly number[],
  options: PreprocessingOptions,
  note: Note,
): Preprocessing {
  const [channels, height, width] = sizes as [1 | 3, number, number];
  const { mean, std } = given(options, note) ?? inFile(known, note) ?? evident(known, note) ?? assumed(note);
  return {
    kind: "image",
    width,
    height,
    channels,
    mean: perChannel("--mean", mean, channels),
    std: perChannel("--std", std, channels),
  };
}

/** What is said of a model is of use to it, or a mistake. */
function assertSaidOf({ kind }: Preprocessing, { mean, std, sampleRateHz }: PreprocessingOptions): void {
  const refused = (at: string, wanted: string) =>
    new LichenError("BAD_ARGUMENT", {
      at,
      found: `samples of kind ${kind}`,
      wanted,
      todo: "leave it out, or say with --preprocessing what the model takes in",
    });
  if ((mean || std) && kind !== "image") throw refused("--mean, --std", "pictures");
  if (sampleRateHz !== undefined && kind !== "waveform") throw refused("--sample-rate", "the samples of a sound");
}

/** A preprocessing that is known, but for what somebody says otherwise. */
function withGiven(known: Preprocessing, options: PreprocessingOptions, note: Note): Preprocessing {
  if (known.kind === "waveform") return { ...known, sampleRateHz: options.sampleRateHz ?? known.sampleRateHz };
  const said = known.kind === "image" ? given(options, note) : null;
  if (known.kind !== "image" || !said) return known;
  const { mean, std } = said;
  return { ...known, mean: perChannel("--mean", mean, known.channels), std: perChannel("--std", std, known.channels) };
}

function given({ mean, std }: PreprocessingOptions, note: Note): Normalization | null {
  if (!mean && !std) return null;
  const [means, deviations] = [mean ?? [0], std ?? [1]];
  if (!mean || !std)
    note(`${mean ? "--std is not said: 1" : "--mean is not said: 0"} is assumed; check it, or accuracy suffers`);
  if (deviations.some((value) => value <= 0))
    throw new LichenError("BAD_ARGUMENT", { at: "--std", found: deviations.join(), wanted: "numbers above 0" });
  // In the units of pixels a deviation below 1 would spread features over hundreds: nobody trains so.
  if (deviations.some((value) => value >= 1)) return { mean: means, std: deviations };
  const scaled = (values: readonly number[]) => values.map((value) => Number((value * 255).toPrecision(12)));
  note(`mean and std are of pixels from 0 to 1: of 0 to 255 they are ${scaled(means)} and ${scaled(deviations)}`);
  return { mean: scaled(means), std: scaled(deviations) };
}

function inFile({ normalization }: KnownInput, note: Note): Normalization | null {
  if (normalization) note(`mean ${normalization.mean} and std ${normalization.std} are the file's own`);
  return normalization ?? null;
}

/** What networks for pictures take in, by the range of their quantized input. */
const CONVENTIONS: readonly (Range & Normalization & { name: string })[] = [
  { low: 0, high: 255, mean: [0], std: [1], name: "pixels as they are" },
  { low: 0, high: 1, mean: [0], std: [255], name: "pixels from 0 to 1" },
  { low: -1, high: 1, mean: [127.5], std: [127.5], name: "pixels from −1 to 1" },
  { low: -128, high: 127, mean: [128], std: [1], name: "pixels less 128" },
  {
    low: -2.118,
    high: 2.64,
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
    name: "pixels normalized as for ImageNet in PyTorch",
  },
];

/** Share of a range by which calibration may have missed its ends. */
const TOLERANCE = 0.025;

function evident({ codes, range }: KnownInput, note: Note): Normalization | null {
  const found = codes === "pixels" ? CONVENTIONS[0] : range && CONVENTIONS.find((each) => isAlike(each, range));
  if (!found) return null;
  const because = codes === "pixels" ? "integers" : `${shown(range!.low)} to ${shown(range!.high)} in 8 bits`;
  note(`the input is ${because}: taken for ${found.name}; if not, give --mean and --std`);
  return found;
}

const isAlike = (wanted: Range, { low, high }: Range): boolean => {
  const span = wanted.high - wanted.low;
  return Math.abs(low - wanted.low) <= span * TOLERANCE && Math.abs(high - wanted.high) <= span * TOLERANCE;
};

const shown = (value: number): string => String(Number(value.toPrecision(3)));

function assumed(note: Note): Normalization {
  note(
    "nothing says how pixels were normalized: assumed from 0 to 1, as with --mean 0 --std 255; check it, or accuracy suffers",
  );
  return { mean: [0], std: [255] };
}

function perChannel(option: string, values: readonly number[], channels: number): number[] {
  if (values.length === channels) return [...values];
  if (values.length === 1) return Array<number>(channels).fill(values[0]!);
  // ImageNet's three numbers say nothing about one channel.
  throw new LichenError("BAD_ARGUMENT", {
    at: option,
    found: `${values.length} numbers`,
    wanted: channels === 1 ? "one number" : `one number, or ${channels}`,
  });
}
