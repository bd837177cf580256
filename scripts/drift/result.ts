/** What a day was like. */
export interface DriftResult {
  seed: number;
  /** Whose voices. */
  voices: string;
  /** Words said in half an hour, every `labelledEvery`-th of them labelled later, and words that it is judged by. */
  words: number;
  labelledEvery: number;
  tested: number;
  halfHours: readonly HalfHour[];
  rounds: readonly DriftRound[];
}

export interface HalfHour {
  hour: number;
  speaker: string;
  /** 0 to 1, at the end of the half hour. */
  withLichen: number;
  without: number;
}

export interface DriftRound {
  hour: number;
  accepted: boolean;
  reason: string;
  seconds: number;
  samples: number;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
