import { energiesOf, samplesInMemory } from "../../../runtime/signal/window.ts";
import { WINDOW_POLICY, type WindowPolicy } from "../../../runtime/signal/windows.ts";
import type { SoundBlock, SoundEvent } from "./wav-stream.ts";

/** As for recordings; but nobody knows how loud a stream will become, so that silence is what is below a fixed level. */
export type StreamPolicy = Pick<WindowPolicy, "overlap" | "floorDecibels">;

export interface StreamWindow {
  readonly sampleRateHz: number;
  readonly samples: Float32Array;
  /** Since the beginning of the recording. */
  readonly startSeconds: number;
}

/** Cuts continuous sound into windows that overlap. Holds one window. */
export interface Windower {
  /** Windows that became whole, without those that are silent. */
  push(event: SoundEvent): StreamWindow[];
  /** Windows left out because nothing was to be heard in them. */
  silent(): number;
}

/** @param window how much a model hears at once, at its own rate; the sound keeps the rate that it comes at */
export function createWindower(
  window: { readonly windowSamples: number; readonly sampleRateHz: number },
  policy: StreamPolicy = WINDOW_POLICY,
): Windower {
  const seconds = window.windowSamples / window.sampleRateHz;
  let ring: Ring | undefined;
  let silent = 0;

  /** A window, unless it is silent. */
  function heard({ sampleRateHz }: Ring, samples: Float32Array, start: number): StreamWindow[] {
    if (powerOf(samples) <= 10 ** (policy.floorDecibels / 10)) {
      silent++;
      return [];
    }
    return [{ sampleRateHz, samples, startSeconds: start / sampleRateHz }];
  }

  function take({ sampleRateHz, samples }: SoundBlock): StreamWindow[] {
    // A recorder that changes its rate begins another recording.
    const windows = ring !== undefined && ring.sampleRateHz !== sampleRateHz ? finish() : [];
    ring ??= createRing(sampleRateHz, Math.max(1, Math.round(seconds * sampleRateHz)), policy.overlap);
    for (let from = 0; from < samples.length; ) {
      const part = samples.subarray(from, from + Math.max(1, ring.next - ring.written));
      write(ring, part);
      from += part.length;
      if (ring.written < ring.next) continue;
      windows.push(...heard(ring, last(ring, ring.length), ring.written - ring.length));
      ring.next += ring.step;
    }
    return windows;
  }

  /** As `windowStarts` does for files: what is shorter than a window is one, and a last one ends with the recording. */
  function finish(): StreamWindow[] {
    const ended = ring;
    ring = undefined;
    if (ended === undefined || ended.written === 0) return [];
    const { length, step, written, next } = ended;
    if (written < length) return heard(ended, last(ended, written), 0);
    const more = written - (next - step);
    return more > step / 2 ? heard(ended, last(ended, length), written - length) : [];
  }

  return { push: (event) => (event.tag === "sound" ? take(event.block) : finish()), silent: () => silent };
}

/** The last `length` samples of a recording. */
interface Ring {
  readonly sampleRateHz: number;
  readonly length: number;
  readonly step: number;
  /** A sample's place is its number modulo the length. */
  readonly samples: Float32Array;
  /** Samples so far. */
  written: number;
  /** How many there are when the next window is whole. */
  next: number;
}

function createRing(sampleRateHz: number, length: number, overlap: number): Ring {
  const step = Math.max(1, Math.round(length * (1 - overlap)));
  return { sampleRateHz, length, step, samples: new Float32Array(length), written: 0, next: length };
}

function write(ring: Ring, samples: Float32Array): void {
  const kept = samples.subarray(Math.max(0, samples.length - ring.length));
  const at = (ring.written + samples.length - kept.length) % ring.length;
  const first = kept.subarray(0, ring.length - at);
  ring.samples.set(first, at);
  ring.samples.set(kept.subarray(first.length), 0);
  ring.written += samples.length;
}

/** The last so many samples, in order. @param count at most those written, and at most the length */
function last({ samples, written, length }: Ring, count: number): Float32Array {
  const from = (written - count) % length;
  const inOrder = new Float32Array(count);
  const head = samples.subarray(from, Math.min(length, from + count));
  inOrder.set(head);
  inOrder.set(samples.subarray(0, count - head.length), head.length);
  return inOrder;
}

/** Mean power; that of a full-scale square wave is 1. */
const powerOf = (samples: Float32Array): number =>
  energiesOf(samplesInMemory(samples), [0], samples.length)[0]! / samples.length;
