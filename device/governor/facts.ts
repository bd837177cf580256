/** A reading; null where this board cannot tell. What is not known never holds a round back. */
export type Reading<T> = T | null;

/** All that the governor looks at. */
export interface Facts {
  readonly round: RoundFacts;
  readonly board: BoardFacts;
  readonly inference: InferenceFacts;
  readonly time: TimeFacts;
}

/**
 * `none`: no round is under way. `training`: its process runs. `paused`: it was paused and can go on from its checkpoint.
 * `busy`: something that cannot be paused is under way, such as a gate, a shadow or an appraisal.
 */
export type Phase = "none" | "training" | "paused" | "busy";

export interface RoundFacts {
  /** The daemon is stopping, or has not started. */
  readonly stopped: boolean;
  /** A person has said which adapter serves, so that what is learnt would not. */
  readonly held: boolean;
  readonly phase: Phase;
  /** The model of this board that trains now, where it is another one. */
  readonly elsewhere: string | null;
  /** A person asked for this round: neither samples nor hours hold it back, the state of the board does. */
  readonly requested: boolean;
  /** Labelled samples that no finished round has seen. */
  readonly newSamples: number;
  /** The last round was cut off by a stop or a power cut: its samples are not new, its result is missing. */
  readonly owed: boolean;
  readonly sinceSampleMs: number;
  readonly failuresInARow: number;
  readonly sinceFailureMs: number;
  /** How often this round was paused, and how long ago last. */
  readonly pauses: number;
  readonly sincePauseMs: number;
  /** Threads of the training process; they count in the board's load while it runs. */
  readonly threads: number;
  /** Memory that the round is predicted to take. */
  readonly needsBytes: Reading<number>;
}

/** Percent of the last ten seconds in which some task stood still for want of it.  @see Linux, accounting/psi, "some avg10" */
export interface Pressure {
  readonly cpu: Reading<number>;
  readonly memory: Reading<number>;
  readonly io: Reading<number>;
}

export interface Throttling {
  readonly underVoltage: boolean;
  /** The firmware holds the clock down, for heat or for want of current. */
  readonly slowed: boolean;
}

export interface BoardFacts {
  /** The hottest zone of the processor, in °C. */
  readonly temperature: Reading<number>;
  readonly throttling: Reading<Throttling>;
  readonly pressure: Pressure;
  /** Mean number of runnable tasks over the last minute. */
  readonly load: Reading<number>;
  readonly cores: number;
  /** What a new process can have without swapping, within the daemon's own limit. */
  readonly availableBytes: Reading<number>;
  readonly mains: Reading<boolean>;
  readonly batteryPercent: Reading<number>;
}

export interface InferenceFacts {
  /** 99th percentile of the last minutes. */
  readonly p99Ms: Reading<number>;
  /** The same while nothing trains. */
  readonly usualP99Ms: Reading<number>;
  /** For how long work has been waiting in the queue without a break; 0: it is empty. */
  readonly queuedMs: Reading<number>;
}

export interface TimeFacts {
  readonly wallMs: number;
  /** A board without a battery-backed clock does not know the time after it boots. */
  readonly trusted: boolean;
}
