import type { Adapter } from "../adapter/adapter.ts";
import type { MemoryMeter } from "../execute/memory-meter.ts";
import type { GatePolicy } from "../gate/gate.ts";
import type { ModelPackage } from "../package/package.ts";
import type { Budget } from "../plan/budget.ts";
import type { AugmentPolicy } from "../signal/augment/index.ts";
import type { TrainingOptions } from "./options.ts";
import type { OpenRows } from "./rows.ts";
import type { TaskOptions } from "./task.ts";

/** What a run does one after the other: it weighs channels, fills the cache, tries learning rates, and trains. */
export const PROGRESS_PHASES = ["measure", "cache", "probe", "train"] as const;

export interface Progress {
  phase: (typeof PROGRESS_PHASES)[number];
  done: number;
  total: number;
  loss?: number;
  /** On held-out samples, 0 to 1. */
  accuracy?: number;
}

export interface AdaptOptions extends Partial<TrainingOptions>, TaskOptions {
  model: ModelPackage;
  /** One of the methods, or several joined by `+`, with settings behind colons: `head+lora:rank=8`. */
  method: string;
  /** Patterns of the layers to adapt; without them the method chooses. */
  targets?: readonly string[];
  /** A plan that takes more is refused; `adaptive` chooses within it, and takes a small board for granted where nothing is said. */
  budget?: Budget;
  /** The adapter being served now: training goes on from it and must beat it. */
  start?: Adapter;
  /**
   * For a place that looks or sounds otherwise for good: training starts with every layer's outputs brought back to where they are on
   * the rehearsal pack. The pack is of another world then: it neither trains along nor measures forgetting.
   */
  align?: boolean | undefined;
  gate?: GatePolicy;
  /** What augmented views disturb. */
  augment?: AugmentPolicy;
  /** Where cached activations are kept; memory, by default. */
  openRows?: OpenRows;
  /** Where an interrupted run is taken up again; nowhere, by default. */
  checkpoint?: CheckpointStore;
  board?: string;
  createdAt?: string;
  contributors?: readonly string[];
  /** A clock in milliseconds, for the report; without one all durations are 0. */
  clockMs?: () => number;
  /** For the report; without one the training state counts as 0 bytes. */
  meter?: MemoryMeter;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

/** Holds the last checkpoint of a run, whole or not at all. */
export interface CheckpointStore {
  load(): Promise<Uint8Array | null>;
  save(checkpoint: Uint8Array): Promise<void>;
  /** The run has ended. */
  clear(): Promise<void>;
}
