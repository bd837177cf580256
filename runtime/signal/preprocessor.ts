import type { Tensor } from "../onnx/tensor.ts";
import type { Random } from "../random/random.ts";
import type { AugmentPolicy } from "./augment/index.ts";
import type { Bytes } from "./bytes.ts";
import type { WindowPolicy } from "./windows.ts";

/** Turns files as sensors write them into what the model takes in. */
export interface Preprocessor {
  /** Of file names, in lower case, with the dot. */
  readonly extensions: readonly string[];
  /**
   * @param at the file's name, for errors.
   * @returns [1, …], batch first; of a long recording, its loudest window.
   * @throws BAD_WAV, EMPTY_AUDIO, UNSUPPORTED_AUDIO, BAD_IMAGE
   */
  features(file: Bytes, at: string): Promise<Tensor<"float32">>;
  /**
   * Features of the same file as it might have been recorded: one view for each source of randomness, so that any single
   * view can be made again without the others. The file is decoded once.
   * @param policy what is disturbed, and how much.
   * @returns each as `features`
   * @throws as `features`
   */
  views(file: Bytes, at: string, randoms: readonly Random[], policy?: AugmentPolicy): Promise<Tensor<"float32">[]>;
  /**
   * All that a file holds for the model: a picture is one window, a long recording has many, in order and without its silence. Each is
   * decoded when it is asked for, again and again, so that an hour takes no more memory than a second.
   * @throws as `features`, for a sound; a picture is not looked at yet
   */
  windows(file: Bytes, at: string, policy?: WindowPolicy): Promise<RecordingWindow[]>;
}

/** What the model takes in of a file at once. */
export interface RecordingWindow {
  /** Samples at the model's rate from the recording's start; null where the file is one window. */
  readonly start: number | null;
  readonly startSeconds: number;
  features(): Promise<Tensor<"float32">>;
  views(randoms: readonly Random[], policy?: AugmentPolicy): Promise<Tensor<"float32">[]>;
}

/** What has but one window is as `features` and `views` make it. */
export const wholeWindow = (
  { features, views }: Pick<Preprocessor, "features" | "views">,
  ...[file, at]: Parameters<Preprocessor["features"]>
): RecordingWindow => ({
  start: null,
  startSeconds: 0,
  features: () => features(file, at),
  views: (...rest) => views(file, at, ...rest),
});
