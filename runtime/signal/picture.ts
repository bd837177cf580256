/** A decoded picture. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** [height, width, channels], 0 to 255 */
  readonly pixels: Uint8Array | Float32Array;
}
