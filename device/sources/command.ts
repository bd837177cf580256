import type { Logger } from "pino";
import { LichenError } from "../../runtime/errors.ts";
import { encodeWav } from "../../runtime/signal/wav.ts";
import type { Clock } from "../clock.ts";
import type { CommandConfig } from "./config.ts";
import { createDelivery, type Delivery } from "./delivery.ts";
import { createProgram, type Program } from "./program.ts";
import type { Sink, Source, SourceFile } from "./source.ts";
import { createJpegStream } from "./stream/jpeg-stream.ts";
import { createNewest } from "./stream/newest.ts";
import { createWavStream } from "./stream/wav-stream.ts";
import { createWindower } from "./stream/windows.ts";

/** What the model takes in: sound in windows of its length, or pictures. */
export type Sense =
  | { readonly kind: "sound"; readonly windowSamples: number; readonly sampleRateHz: number }
  | { readonly kind: "pictures" };

export interface CommandSourceOptions {
  readonly config: CommandConfig;
  readonly sense: Sense;
  readonly labels: readonly string[];
  /** Where the program runs. */
  readonly workingFolder: string;
  readonly clock: Clock;
  readonly log: Logger;
  random(): number;
}

const LONGEST_RETRY_MS = 60_000;

/**
 * Any program that writes sound or pictures to stdout. Sound waits in the pipe while the board is busy, so that nothing of a recording is
 * lost and a live recorder drops what it cannot write; of pictures the newest counts, and the others are passed over.
 * @throws BAD_CONFIG when the model does not take in what the program writes, UNKNOWN_CLASS
 */
export function commandSource(options: CommandSourceOptions): Source {
  const { config, sense, clock } = options;
  const { name, label } = config;
  const log = options.log.child({ source: name });
  const wanted = sense.kind === "sound" ? "wav or raw" : "jpeg";
  if ((config.stream === "jpeg") !== (sense.kind === "pictures"))
    throw new LichenError("BAD_CONFIG", { at: `source ${name}: stream`, found: config.stream, wanted });
  if (label !== undefined && !options.labels.includes(label))
    throw new LichenError("UNKNOWN_CLASS", { at: `source ${name}`, found: label, wanted: options.labels.join(", ") });

  let delivery: Delivery | undefined;
  let program: Program | undefined;
  let reader: Reader | undefined;
  let files = 0;

  function open(sink: Sink): { delivery: Delivery; reader: Reader } {
    const opened = createDelivery(sink, log);
    const deliver = async (bytes: Uint8Array, extension: string) => {
      const file: SourceFile = { bytes, name: `${name}-${++files}${extension}`, at: `${name}: ${files}` };
      // A full disk must not end the recorder: what could not be stored is lost, and said to be.
      await opened.deliver(file, label).catch((error) => log.error({ err: error }, "a sample could not be stored"));
    };
    const read =
      sense.kind === "sound"
        ? soundReader(config, sense, (wav) => deliver(wav, ".wav"))
        : pictureReader(config, clock, (jpeg) => deliver(jpeg, ".jpg"));
    return { delivery: opened, reader: read };
  }

  return {
    name,
    async start(sink) {
      const opened = open(sink);
      ({ delivery, reader } = opened);
      program = createProgram(
        {
          argv: config.argv,
          workingFolder: options.workingFolder,
          again: config.again,
          backoff: { firstMs: config.retrySeconds * 1000, mostMs: LONGEST_RETRY_MS },
          hangMs: config.hangSeconds * 1000,
          graceMs: config.graceSeconds * 1000,
          maxBytesPerSecond: config.maxBytesPerSecond,
          clock,
          log,
          random: options.random,
        },
        { begins: opened.reader.begins, data: opened.reader.data, ended: opened.reader.ended },
      );
      program.start();
    },
    async stop() {
      await program?.stop();
      await reader?.stop();
    },
    counts: () => delivery?.counts() ?? { accepted: 0, inferred: 0, rejected: 0 },
    health: () => ({
      ...(program?.status() ?? { state: "stopped", problem: null, starts: 0 }),
      skipped: (reader?.skipped() ?? 0) + (delivery?.skipped() ?? 0),
    }),
  };
}

/** From what one run of the program after the other writes to what is delivered. */
interface Reader {
  begins(): void;
  data(bytes: Uint8Array): Promise<boolean>;
  ended(): Promise<void>;
  skipped(): number;
  stop(): Promise<void>;
}

function soundReader(
  config: CommandConfig,
  sense: Extract<Sense, { kind: "sound" }>,
  deliver: (wav: Uint8Array) => Promise<void>,
): Reader {
  const policy = { overlap: config.overlap, floorDecibels: config.silenceDecibels };
  const open = () => ({ stream: createWavStream(config.name, config.raw), windower: createWindower(sense, policy) });
  let { stream, windower } = open();
  let silent = 0;

  const hear = async (event: Parameters<typeof windower.push>[0]) => {
    for (const { sampleRateHz, samples } of windower.push(event))
      await deliver(encodeWav({ sampleRateHz, channels: [samples] }));
  };

  return {
    begins() {
      silent += windower.silent();
      ({ stream, windower } = open());
    },
    async data(bytes) {
      const events = stream.push(bytes);
      for (const event of events) await hear(event);
      return events.some(({ tag }) => tag === "sound");
    },
    ended: () => hear({ tag: "end" }),
    skipped: () => silent + windower.silent(),
    stop: async () => undefined,
  };
}

function pictureReader(config: CommandConfig, clock: Clock, deliver: (jpeg: Uint8Array) => Promise<void>): Reader {
  const newest = createNewest<Uint8Array>({ everyMs: config.everyMs, clock, act: deliver });
  const open = () => createJpegStream({ maxBytes: config.maxPictureBytes });
  let stream = open();
  let dropped = 0;
  return {
    begins() {
      dropped += stream.dropped();
      stream = open();
    },
    async data(bytes) {
      const pictures = stream.push(bytes);
      for (const picture of pictures) newest.offer(picture);
      return pictures.length > 0;
    },
    ended: async () => undefined,
    skipped: () => dropped + stream.dropped() + newest.passedOver(),
    stop: newest.stop,
  };
}
