import { type Classifier, createClassifier, createPreprocessor, loadModel } from "../../runtime/index.ts";
import { type Random, seeded } from "../../runtime/random/random.ts";
import { encodeWav } from "../../runtime/signal/index.ts";
import type { Board } from "./board.ts";
import { heardAt, placeAt, SHIFT_CHANGE_HOUR } from "./place.ts";
import { type DriftResult, type DriftRound, type HalfHour, mean } from "./result.ts";
import { SAMPLE_RATE_HZ, type Voices, type Word } from "./voices.ts";

export interface DayOptions {
  seed: number;
  hours: number;
  voices: Voices;
  /** Said in half an hour. */
  words: number;
  labelledEvery: number;
  onHalfHour(at: HalfHour, rounds: readonly DriftRound[]): void;
}

/** Somebody finds time to say what was heard some minutes ago: when so many other words have been said. */
const LABELLED_AFTER = 4;

/**
 * A day of a board, half hour by half hour, each as long as its work takes. Words are said at a place that drifts, and come to the
 * daemon over HTTP; some are labelled later; rounds run by themselves. At the end of each half hour the same test words are heard at the
 * place as it is then, by the daemon and by the bare base.
 */
export async function liveDay(board: Board, options: DayOptions): Promise<DriftResult> {
  const { seed, voices, words, labelledEvery } = options;
  const model = await loadModel("models/spoken-digits");
  const { features } = createPreprocessor(model.card.preprocessing);
  const base: Classifier = await createClassifier(model);
  const random = seeded(seed);
  const said = voices.speakers.map(({ day }) => endless(day, random));
  const halfHours: HalfHour[] = [];
  const rounds: DriftRound[] = [];
  const late: { wav: Uint8Array; label: string }[] = [];
  let count = 0;

  for (let half = 1; half <= 2 * options.hours; half++) {
    const shift = (half - 1) / 2 < SHIFT_CHANGE_HOUR ? 0 : 1;
    for (let n = 0; n < words; n++) {
      const { label, sound } = said[shift]!();
      const wav = recorded(sound, (half - 1 + n / words) / 2, random);
      await board.hear(wav);
      if (count++ % labelledEvery === 0) late.push({ wav, label });
      if (late.length > 0 && count % labelledEvery === LABELLED_AFTER % labelledEvery) {
        const { wav, label } = late.shift()!;
        await board.label(wav, label);
      }
    }
    const hour = half / 2;
    for (const { outcome, metrics: _, seconds, samples } of (await board.settled()).slice(rounds.length)) {
      const reason = "reason" in outcome ? outcome.reason : outcome.tag === "failed" ? outcome.code : outcome.tag;
      rounds.push({
        hour,
        accepted: outcome.tag === "accepted",
        reason,
        seconds: seconds ?? 0,
        samples: samples.train,
      });
    }
    const { name: speaker, test } = voices.speakers[shift]!;
    const right = { withLichen: [] as number[], without: [] as number[] };
    // Of its own, so that what is judged by does not depend on what was said before.
    const testRandom = seeded(seed * 1000 + half);
    for (const { label, sound } of test) {
      const wav = recorded(sound, hour, testRandom);
      right.withLichen.push(Number((await board.infer(wav)) === label));
      right.without.push(Number((await base.classify(await features(wav, "test"))).label === label));
    }
    const found = { hour, speaker, withLichen: mean(right.withLichen), without: mean(right.without) };
    halfHours.push(found);
    options.onHalfHour(found, rounds);
  }
  await base.close();
  const tested = voices.speakers[0].test.length;
  return { seed, voices: voices.source, words, labelledEvery, tested, halfHours, rounds };
}

const recorded = (sound: Float32Array, hour: number, random: Random): Uint8Array =>
  encodeWav({ sampleRateHz: SAMPLE_RATE_HZ, channels: [heardAt(placeAt(hour), sound, SAMPLE_RATE_HZ, random)] });

/** All words in random order, again and again. */
function endless(words: readonly Word[], random: Random): () => Word {
  let left: Word[] = [];
  return () => {
    if (left.length === 0) left = [...words];
    return left.splice(Math.floor(random() * left.length), 1)[0]!;
  };
}
