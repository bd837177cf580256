/** The npm package has no types of its own. */
declare module "node-wav" {
  interface Decoded {
    sampleRate: number;
    channelData: Float32Array[];
  }
  const wav: {
    decode(bytes: Uint8Array): Decoded;
    encode(channels: Float32Array[], options: { sampleRate: number; float: boolean; bitDepth: number }): Buffer;
  };
  export default wav;
}
