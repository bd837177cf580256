/** Watches the bytes of an MQTT connection for packets that are too big, before anybody holds them. */
export interface PacketBound {
  /** @returns whether all packets that began so far are within the bound */
  push(bytes: Uint8Array): boolean;
}

/** Of "remaining length" at most four bytes count, seven bits each, the lowest first. @see MQTT 3.1.1 §2.2.3 */
const MOST_LENGTH_BYTES = 4;

export function createPacketBound(maxBytes: number): PacketBound {
  /** Of the packet in hand, still to come. */
  let left = 0;
  /** Of its length, so far; undefined where a packet begins. */
  let length: { value: number; bytes: number } | undefined;
  let isWithin = true;

  return {
    push(bytes) {
      for (let at = 0; at < bytes.length && isWithin; ) {
        if (left > 0) {
          const passed = Math.min(left, bytes.length - at);
          left -= passed;
          at += passed;
        } else if (length === undefined) {
          length = { value: 0, bytes: 0 };
          at++;
        } else {
          const byte = bytes[at++]!;
          length.value += (byte & 0x7f) * 2 ** (7 * length.bytes++);
          if (byte < 0x80) {
            left = length.value;
            length = undefined;
            isWithin = left <= maxBytes;
          } else isWithin = length.bytes < MOST_LENGTH_BYTES;
        }
      }
      return isWithin;
    },
  };
}
