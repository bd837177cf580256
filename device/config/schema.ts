import * as z from "zod";
import { adaptersSchema } from "../adapters/config.ts";
import { httpSchema } from "../api/config.ts";
import { governorSchema } from "../governor/config.ts";
import { inferenceSchema } from "../inference/config.ts";
import { resultsSchema } from "../inference/results-config.ts";
import { labelsConfig } from "../labels/config.ts";
import { logSchema, metricsSchema } from "../operation/config.ts";
import { pauseSchema, processSchema, shadowSchema } from "../rounds/config.ts";
import { samplesConfig } from "../samples/config.ts";
import { folderSchema, sourcesSchema } from "../sources/config.ts";
import { brokerKeys } from "./broker.ts";

/** Whether a method can bring a layer's outputs back to where they were: a factor or the weights, and the bias. */
function aligns(method: string): boolean {
  const parts = method.split("+").map((part) => part.split(":")[0]!);
  return (
    ["full", "layerwise"].some((name) => parts.includes(name)) ||
    ["bias", "scale"].every((name) => parts.includes(name))
  );
}

const training = z
  .strictObject({
    method: z
      .string()
      .min(1)
      .default("head+bias")
      .describe("What a round trains: a method of the runtime, or several joined by `+`."),
    minNewSamples: z
      .int()
      .positive()
      .default(20)
      .describe("A round starts when so many labelled samples have come since the last one."),
    settleSeconds: z
      .number()
      .nonnegative()
      .default(3)
      .describe("… and when no sample has come for so long, so that a burst makes one round and not five."),
    holdOut: z
      .number()
      .min(0.05)
      .max(0.5)
      .default(0.2)
      .describe("Part of each class that is never trained on and judges the result."),
    align: z
      .boolean()
      .default(false)
      .describe(
        "The place looks or sounds otherwise for good: while no adapter serves, a round begins by aligning with the rehearsal pack, which then does not judge. Needs a method that trains biases with factors or weights, such as `bias+scale`.",
      ),
    epochs: z.int().positive().optional().describe("Passes over the samples; without it the runtime decides."),
    threads: z.int().positive().default(1).describe("Threads of the training process."),
    cacheBytes: z
      .int()
      .nonnegative()
      .default(256 * 1024 * 1024)
      .describe("Activations of samples are kept on disk from round to round, up to so much; 0 keeps none."),
    seed: z.int().nonnegative().default(1).describe("Fixes every random choice of a round."),
    hangSeconds: z.number().positive().default(120).describe("A training process that is silent for so long is ended."),
    retrySeconds: z
      .number()
      .nonnegative()
      .default(60)
      .describe("Wait after a failed round, doubled with each further failure in a row, at most 64 times."),
    unlabelled: z
      .int()
      .nonnegative()
      .default(0)
      .describe(
        "So many of the newest unlabelled samples train along with labelled ones, by the entropy of their answers.",
      ),
    pause: pauseSchema.prefault({}),
    process: processSchema.prefault({}),
  })
  .refine(({ align, method }) => !align || aligns(method), {
    path: ["method"],
    error: "one that trains biases with factors or weights, such as bias+scale, since training.align is set",
  });

const gate = z.strictObject({
  minHeldOut: z
    .int()
    .positive()
    .default(5)
    .describe("Held-out samples below which an adapter trained here is not judged, and so not served."),
  maxForgetting: z
    .number()
    .min(0)
    .max(1)
    .default(0.03)
    .describe("Accuracy an adapter may lose on the rehearsal pack, 0.03 = three points."),
});

const mqtt = z.strictObject({
  ...brokerKeys,
  fleet: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "letters, digits, '-' and '_', at most 64")
    .describe("Name of the fleet; devices of other fleets are neither heard nor told."),
  blockBytes: z.int().min(1024).max(65_536).default(16_384).describe("Adapters travel in blocks of this size."),
  publish: z.boolean().default(true).describe("Offer accepted adapters to the fleet."),
  accept: z.boolean().default(true).describe("Take adapters that the fleet offers, when they pass the gate here."),
});

/** What the daemon is told of one model: its own sources, samples, training and gate. */
export const stationSchema = z.strictObject({
  model: z.string().min(1).describe("Folder of the model package."),
  threads: z.int().positive().default(1).describe("Threads of inference."),
  watch: folderSchema.optional().describe("The folder source; without it no folder is watched."),
  samples: samplesConfig.prefault({}),
  labels: labelsConfig.prefault({}).describe("Who may label samples, beside the command and the sources."),
  sources: sourcesSchema.describe("Where else samples, and what is to be inferred, come from."),
  inference: inferenceSchema.prefault({}).describe("The line that inferences stand in."),
  training: training.prefault({}),
  gate: gate.prefault({}),
  shadow: shadowSchema.prefault({}).describe("What passed the gate works beside the current adapter first."),
  adapters: adaptersSchema.prefault({}).describe("Which adapters are trusted, and what takes one out of service."),
});

/** What concerns the board as a whole, however many models it serves. */
const boardSchema = z.strictObject({
  device: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "letters, digits, '-' and '_', at most 64")
    .default("lichen")
    .describe("Name of this board, unique in its fleet."),
  data: z
    .string()
    .min(1)
    .default("data")
    .describe("Folder for everything that must survive: samples, adapters, history."),
  socket: z
    .string()
    .min(1)
    .optional()
    .describe("Unix socket for the `lichen` command; without it `lichend.sock` in the data folder."),
  http: httpSchema.optional().describe("HTTP over the network; without it, only on the socket."),
  results: resultsSchema
    .optional()
    .describe("Results for whoever listens to a broker; without it, only the fleet hears of them."),
  mqtt: mqtt.optional().describe("The fleet; without it the board works alone."),
  governor: governorSchema.prefault({}).describe("When training gives way to everything else."),
  log: logSchema.prefault({}),
  metrics: metricsSchema.optional().describe("Figures for Prometheus; without it, none are told."),
});

/** A board with one model: the keys of the model stand beside those of the board. */
export const oneModelSchema = boardSchema.extend(stationSchema.shape);

const STATION_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;

/** A board with several, each under a name of its own. */
export const severalModelsSchema = boardSchema.extend({
  models: z
    .record(z.string().regex(STATION_NAME, "lower-case letters, digits, '-' and '_', at most 32"), stationSchema)
    .refine((models) => Object.keys(models).length > 0, "at least one model"),
});

type FileStation = z.output<typeof stationSchema>;

/** Of a board's only model, whose keys stand beside those of the board. */
export const ONLY_STATION = "main";

/** Of all keys, those that a file gives a model. */
export const stationKeys = (config: FileStation): FileStation =>
  Object.fromEntries(Object.entries(config).filter(([key]) => key in stationSchema.shape)) as FileStation;

/** One model of the board, with every path absolute and every default filled in. */
export interface StationConfig extends FileStation {
  /** As it is asked for: the name in the file, or `ONLY_STATION`. */
  readonly name: string;
  /** Folder for everything of this model that must survive. */
  readonly data: string;
  /** Folder of the configuration, where programs run. */
  readonly workingFolder: string;
}

/** The configuration with every path absolute and every default filled in. */
export interface Config extends Omit<z.output<typeof boardSchema>, "socket"> {
  readonly socket: string;
  /** In the order of the file; the first one answers who names none. */
  readonly stations: readonly StationConfig[];
}
