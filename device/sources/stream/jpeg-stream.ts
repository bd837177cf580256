/** Cuts a stream of JPEG pictures, one behind the other, into pictures. Holds no more than one. */
export interface JpegStream {
  /** Pictures that became whole. */
  push(bytes: Uint8Array): Uint8Array[];
  /** Pictures that were too big, cut short, or not well-formed. */
  dropped(): number;
}

const MARKER = 0xff;
/** Markers by their second byte. @see ITU-T T.81, table B.1 */
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
/** Behind an FF that is part of the compressed picture. */
const STUFFING = 0x00;
const START = Uint8Array.of(MARKER, SOI);
/** Stands alone, as SOI, EOI and RST0 to RST7 do. */
const TEM = 0x01;
const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;

type Phase =
  /** Between pictures, where anything may stand: the lines of a multipart stream, for one. */
  | { readonly tag: "between" }
  | { readonly tag: "between, after FF" }
  /** Where a marker must begin. */
  | { readonly tag: "marker" }
  | { readonly tag: "after FF"; readonly inScan: boolean }
  | { readonly tag: "length"; readonly marker: number; readonly first?: number }
  | { readonly tag: "segment"; readonly marker: number; readonly left: number }
  /** Compressed picture, which has no length. */
  | { readonly tag: "scan" };

/** What a byte means for the picture in hand. */
type Turn = "begins" | "is whole" | "is broken";

/**
 * Follows the markers rather than looking for FF D9: a thumbnail within a picture has its own.
 * @see ITU-T T.81, B.1.1
 */
export function createJpegStream({ maxBytes }: { readonly maxBytes: number }): JpegStream {
  let phase: Phase = { tag: "between" };
  let picture: Held | undefined;
  let dropped = 0;

  /** Passes over what has no structure. @returns where the next byte stands that has a meaning */
  function pass(bytes: Uint8Array, at: number): number {
    if (phase.tag === "between" || phase.tag === "scan") {
      let found = bytes.indexOf(MARKER, at);
      // Most of a picture is passed over here: one byte in 256 is an FF that is none of a marker.
      while (phase.tag === "scan" && found >= 0 && bytes[found + 1] === STUFFING)
        found = bytes.indexOf(MARKER, found + 2);
      return found < 0 ? bytes.length : found;
    }
    if (phase.tag !== "segment") return at;
    const passed = Math.min(phase.left, bytes.length - at);
    const left = phase.left - passed;
    phase = left > 0 ? { ...phase, left } : afterSegment(phase.marker);
    return at + passed;
  }

  /** @param part what these bytes hold of the picture in hand. @returns it, if it is whole */
  function take(turn: Turn | undefined, part: Uint8Array): Uint8Array | undefined {
    if (turn === undefined) return undefined;
    const ended = picture;
    picture = turn === "begins" ? { parts: [START], bytes: START.length } : undefined;
    if (ended === undefined) return undefined;
    if (turn === "is whole") {
      hold(ended, part);
      if (ended.bytes <= maxBytes) return Buffer.concat(ended.parts);
    }
    // Also what ends in the beginning of another: a camera that was started anew.
    dropped++;
    return undefined;
  }

  return {
    push(bytes) {
      const whole: Uint8Array[] = [];
      // Where in these bytes the part begins that belongs to the picture in hand.
      let from = 0;
      for (let at = pass(bytes, 0); at < bytes.length; at = pass(bytes, at)) {
        const [next, turn] = after(phase, bytes[at++]!);
        phase = next;
        const made = take(turn, bytes.subarray(from, at));
        if (made !== undefined) whole.push(made);
        if (turn === "begins") from = at;
      }
      if (picture !== undefined) hold(picture, bytes.subarray(from));
      return whole;
    },
    dropped: () => dropped,
  };

  /** What is too big is followed to its end, but not held. */
  function hold(held: Held, part: Uint8Array): void {
    held.bytes += part.length;
    if (held.bytes <= maxBytes) held.parts.push(part);
    else held.parts.length = 0;
  }
}

interface Held {
  readonly parts: Uint8Array[];
  bytes: number;
}

/** One byte further. */
function after(phase: Phase, byte: number): readonly [next: Phase, turn?: Turn] {
  switch (phase.tag) {
    case "between":
      return [{ tag: byte === MARKER ? "between, after FF" : "between" }];
    case "between, after FF":
      if (byte === SOI) return [{ tag: "marker" }, "begins"];
      return [{ tag: byte === MARKER ? "between, after FF" : "between" }];
    case "marker":
      return byte === MARKER ? [{ tag: "after FF", inScan: false }] : BROKEN;
    case "scan":
      return [byte === MARKER ? { tag: "after FF", inScan: true } : phase];
    case "after FF":
      return afterMarker(byte, phase);
    case "length": {
      if (phase.first === undefined) return [{ ...phase, first: byte }];
      // The length counts its own two bytes.
      const left = phase.first * 256 + byte - 2;
      if (left < 0) return BROKEN;
      return [left > 0 ? { tag: "segment", marker: phase.marker, left } : afterSegment(phase.marker)];
    }
    case "segment":
      return [phase.left > 1 ? { ...phase, left: phase.left - 1 } : afterSegment(phase.marker)];
  }
}

function afterMarker(byte: number, phase: Extract<Phase, { tag: "after FF" }>): readonly [Phase, Turn?] {
  // Any marker may have more than one FF in front.
  if (byte === MARKER) return [phase];
  if (byte === SOI) return [{ tag: "marker" }, "begins"];
  if (byte === EOI) return [{ tag: "between" }, "is whole"];
  if (phase.inScan && (byte === STUFFING || isRestart(byte))) return [{ tag: "scan" }];
  if (byte === STUFFING) return BROKEN;
  return [isRestart(byte) || byte === TEM ? { tag: "marker" } : { tag: "length", marker: byte }];
}

const afterSegment = (marker: number): Phase => ({ tag: marker === SOS ? "scan" : "marker" });

const BROKEN = [{ tag: "between" }, "is broken"] as const;
