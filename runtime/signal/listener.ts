import { AUGMENT_POLICY, soundView } from "./augment/index.ts";
import { createHearing } from "./hearing.ts";
import { type Preprocessor, type RecordingWindow, wholeWindow } from "./preprocessor.ts";
import { openRecording } from "./recording.ts";
import { fitWindow, type Heard, type Samples, searchHop, windowStart } from "./window.ts";
import { WINDOW_POLICY, windowStarts } from "./windows.ts";

/** Preprocessing of sounds. @throws BAD_CARD when the card's numbers do not go together. */
export function createListener(p: Heard): Preprocessor {
  const hearing = createHearing(p);
  const fit = { windowSamples: p.windowSamples, place: p.place, hopSamples: searchHop(p) };
  const features = (window: Float32Array) => hearing.arrange(hearing.listen(window));
  const open = (file: Parameters<Preprocessor["features"]>[0], at: string) => openRecording(file, at, p.sampleRateHz);
  const views = (
    heard: Samples,
    start: number,
    [randoms, policy = AUGMENT_POLICY]: Parameters<RecordingWindow["views"]>,
  ) => randoms.map((random) => soundView({ recording: heard, start }, p, hearing, policy, random));

  const preprocessor: Preprocessor = {
    extensions: [".wav"],
    features: async (file, at) => features(fitWindow(open(file, at).heard, fit)),
    views: async (file, at, ...rest) => {
      const { heard } = open(file, at);
      return views(heard, windowStart(heard, fit), rest);
    },
    windows: async (file, at, policy = WINDOW_POLICY) => {
      const starts = windowStarts(open(file, at), p, policy);
      if (starts === null) return [wholeWindow(preprocessor, file, at)];
      return starts.map((start) => ({
        start,
        startSeconds: start / p.sampleRateHz,
        features: async () => features(open(file, at).heard.cut(start, p.windowSamples)),
        views: async (...rest) => views(open(file, at).heard, start, rest),
      }));
    },
  };
  return preprocessor;
}
