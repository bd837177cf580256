/** Bytes of a file, in memory (a Uint8Array is one) or read from the medium when asked for: a recording may exceed memory. */
export interface Bytes {
  readonly length: number;
  /** Not to be written to. */
  subarray(start: number, end: number): Uint8Array;
}

export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);
