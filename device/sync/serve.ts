import { cutBlock } from "../../fleet/protocol/blocks.ts";
import { type BlockRequest, encode } from "../../fleet/protocol/messages.ts";
import { blobName, topicOf } from "../../fleet/protocol/topics.ts";
import type { Connection } from "./connection.ts";

export interface ServePorts {
  readonly fleet: string;
  readonly device: string;
  readAdapter(sha256: string): Promise<Uint8Array | undefined>;
  connection(): Connection | undefined;
  failed(error: unknown, request: BlockRequest): void;
}

/** Sends blocks to whoever asks: no state of a transfer lives here, so a restart costs nothing. */
export interface Server {
  answer(request: BlockRequest): void;
  /** What is under way is let go: whoever asked will ask again. */
  stop(): void;
}

/** So many requests may wait; those beyond are dropped, and asked again by whoever still wants them. */
const MAX_WAITING = 32;

export function createServer(ports: ServePorts): Server {
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  let stopped = false;

  async function send(request: BlockRequest): Promise<void> {
    const { fleet, device } = ports;
    const { id, sha256, blockBytes } = request;
    const connection = ports.connection();
    // A request of a connection that is gone is asked again.
    if (connection === undefined) return;
    const blob = await ports.readAdapter(sha256);
    if (stopped) return;
    const blocks = request.blocks.flatMap((index) => {
      const block = blob && cutBlock(blob, blockBytes, index);
      return block === undefined ? [] : [{ index, block }];
    });
    if (blocks.length < request.blocks.length) {
      const code = blob === undefined ? "NOT_HELD" : "NO_SUCH_BLOCK";
      const topic = topicOf({ channel: "answers", fleet, device: request.from });
      await connection.publish(topic, encode("answers", { v: 1, id, from: device, sha256, code }), false);
    }
    await Promise.all(
      blocks.map(({ index, block }) =>
        connection.publish(
          topicOf({ channel: "blocks", fleet, device: request.from, blob: blobName(sha256), index }),
          block,
          false,
        ),
      ),
    );
  }

  return {
    // One window after the other: the broker's acknowledgements set the pace, and memory stays at one window.
    answer(request) {
      if (stopped || waiting >= MAX_WAITING) return;
      waiting++;
      last = last
        .then(() => (stopped ? undefined : send(request)))
        .catch((error) => ports.failed(error, request))
        .finally(() => waiting--);
    },
    stop() {
      stopped = true;
    },
  };
}
