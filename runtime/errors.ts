/**
 * Every refusal Lichen can utter, in one table: a stable code, what is wrong, and what to do about it.
 * The place, what was found and what was wanted come from whoever throws.
 */
export const ERRORS = {
  ADAPTER_CORRUPT: [
    "the adapter file is damaged",
    "fetch it again, or restore it from a copy; the current adapter stays",
  ],
  ADAPTER_NOT_HELD: ["this board has no such adapter", "see lichen adapters for those that it has"],
  ADAPTER_PINNED: ["a person has pinned another adapter", "let go of it first: lichen use --auto"],
  ADAPTER_REFUSED: ["the adapter was refused here before", "train another one; see lichen adapters for the reason"],
  ADAPTER_WRONG_BASE: ["the adapter was trained on another base model", "use the base that the adapter names"],
  AVERAGE_MISMATCH: [
    "the adapters cannot be averaged, because they are not of one kind",
    "average adapters of one base, method, targets and classes",
  ],
  AVERAGE_NOT_LINEAR: [
    "the parameters of this method have no mean that does what the mean of the adapters would do",
    "train with a linear method (head, bias, scale, sparse, layerwise, or lora with a frozen down-projection)",
  ],
  BAD_ARCHIVE: ["the archive of samples cannot be used", "export it again, with lichen samples export"],
  BAD_ARGUMENT: ["an argument is not usable", "see --help"],
  BAD_ATTRIBUTE: ["an operator's attribute is not usable", "check the model with a newer exporter"],
  BAD_BLOCK: ["a block does not belong to the blob", "nothing: it is dropped and asked for again"],
  BAD_CARD: ["the model's card is not valid", "correct card.json, or make the package again"],
  BAD_CONFIG: ["the configuration is not valid", "correct the file; lichen config keys explains every key"],
  BAD_IMAGE: ["the file is not a readable picture", "send a whole JPEG, PNG or WebP"],
  BAD_MESSAGE: [
    "a message does not follow the protocol",
    "nothing: it is dropped; see who publishes on the topic, and with which version",
  ],
  BAD_NAME: ["a name cannot be part of a topic", "choose another name"],
  BAD_REQUEST: ["the request cannot be understood", "use the lichen command of the daemon's own version"],
  BAD_SAMPLE: ["the file cannot be read as a sample", "record it again, in a format that the model's card allows"],
  BAD_WAV: ["the file is not a sound WAV", "record it again, and put it there only when it is whole"],
  BATCH_MATTERS: [
    "the model answers otherwise for a sample that others are beside",
    "export the model with a symbolic first dimension",
  ],
  BLOB_CORRUPT: [
    "the blocks received do not add up to the announced hash",
    "nothing: all are dropped and fetched again",
  ],
  BROKER_REFUSED: ["the broker refuses this client", "check username, password and the broker's access rules"],
  BROKER_UNREACHABLE: ["the broker cannot be reached", "check its address and the network; it is tried again for ever"],
  BUDGET_EXCEEDED: ["the plan takes more than it may", "train less, or allow it more"],
  CACHE_DAMAGED: ["cached rows are not what was written", "nothing: they are computed again"],
  CACHE_FULL: ["the cache has reached its bound", "allow it more bytes, or train with fewer samples or views"],
  CANNOT_GROW: ["the model's end cannot take in new classes", "use only the model's own classes"],
  CANCELLED: ["the work was cancelled", "start it again when it suits"],
  CHECKPOINT_CORRUPT: ["the checkpoint is damaged", "nothing: training starts anew"],
  CHECKPOINT_WRONG: ["the checkpoint is of another training run", "nothing: training starts anew"],
  CRASH_LOOP: [
    "the daemon did not last with this adapter, several times in a row",
    "nothing: it is out of service; lichen logs may tell what ended the daemon, lichen use brings the adapter back",
  ],
  DAEMON_NOT_REACHABLE: [
    "no daemon answers on the socket",
    "start lichend, or name its socket with --socket or LICHEN_SOCKET",
  ],
  DAEMON_STARTING: ["the daemon is starting or stopping", "ask again in a moment"],
  DIVERGED: ["training diverged, again after lowering the learning rate", "check the labels, or set a lower --lr"],
  EMPTY_AUDIO: ["the recording holds no samples", "check the microphone and the recording command"],
  EXTERNAL_DATA: [
    "the weights of the model lie in another file, which cannot be used",
    "put all files of the export into one folder, and import from there",
  ],
  FETCH_FAILED: [
    "the file cannot be fetched",
    "check the network and run the command again: it goes on where it stopped",
  ],
  INSTALL_FAILED: [
    "a step of the installation failed",
    "run it as root; correct what the step says, and run the command again: it goes on where it stopped",
  ],
  MODEL_CORRUPT: ["the model is damaged, or neither ONNX nor TFLite", "fetch or export the model again"],
  MODEL_NOT_FOUND: [
    "there is no model there",
    "name a package folder (with model.onnx and card.json) or an .onnx file",
  ],
  NOTHING_TO_ROLL_BACK: ["the base model serves already, without an adapter", "nothing"],
  NO_GRADIENT: [
    "an operator on the way to the loss has no gradient rule",
    "choose a later frontier, or another method",
  ],
  NO_SHAPE: ["a value's shape cannot be inferred", "export the model with fixed sizes (only the batch may vary)"],
  NOTHING_KEPT: [
    "samples are not kept on this board",
    "set samples.privacy to raw or features in the configuration, where the board shall learn",
  ],
  NO_SUCH_SAMPLE: ["no such sample is kept", "see lichen samples list for those that are"],
  NO_SUCH_MODEL: ["the daemon serves no model of this name", "see lichen status for those that it serves"],
  NOTHING_TO_QUANTIZE: [
    "the model has nothing that could be quantized",
    "name a float model; what is quantized already can be imported as it is",
  ],
  NOTHING_TO_TRAIN: ["the method finds nothing to train in this model", "choose another method or other targets"],
  NOT_QUANTIZED: ["the model has no int8 part that this method could adapt", "quantize the model first (QDQ int8)"],
  ONE_CLASS: [
    "all labelled samples are of one class, and nothing keeps the others from being forgotten",
    "collect samples of other classes too, or use a model package with a rehearsal pack",
  ],
  PEER_SILENT: [
    "a device does not send the adapter that it offers",
    "nothing: it is asked again later, and goes on where it stopped",
  ],
  PORT_IN_USE: ["the address cannot be listened on", "stop who listens there, or choose another http.port"],
  PROGRAM_FAILED: [
    "the program of a source ended or cannot be started",
    "run it by hand to see why; it is started again and again",
  ],
  QUEUE_FULL: [
    "more is to be inferred than this board can",
    "send less, or raise inference.queue in the configuration",
  ],
  REHEARSAL_CORRUPT: ["the rehearsal pack does not fit the model", "make the model package again"],
  RESTART_NEEDED: [
    "the configuration was changed in what only a restart takes over",
    "systemctl restart lichend, when it suits",
  ],
  ROUND_CRASHED: [
    "the training process ended before its work was done",
    "nothing: it is tried again later; see the log for its last words",
  ],
  ROUND_HUNG: ["the training process stopped answering", "nothing: it was ended and is tried again later"],
  ROUND_INTERRUPTED: [
    "the daemon stopped while the round ran",
    "nothing: the samples are kept and the round is tried again",
  ],
  ROUND_OVER_MEMORY: [
    "the training process took more memory than it may",
    "choose a smaller method or fewer samples, or raise training.process.maxMemoryBytes",
  ],
  ROUND_OVERTAKEN: [
    "what the round was to improve has been taken out of service",
    "nothing: the next round starts from what serves now",
  ],
  ROUND_RUNNING: ["a round is running already", "wait until it ends, see lichen status"],
  SAMPLES_ALIKE: [
    "all samples are the same recording",
    "check that the camera or the microphone is alive, and collect others",
  ],
  SOCKET_IN_USE: ["another daemon answers on the socket", "stop it, or choose another socket in the configuration"],
  SOCKET_PATH_TOO_LONG: [
    "the socket's path is longer than the system allows",
    "set a shorter path as socket in the configuration",
  ],
  STATE_CORRUPT: ["a state file is damaged", "nothing: the last good copy is used; the damaged file is kept beside it"],
  STATE_NEWER: [
    "a state file was written by another version of Lichen",
    "nothing, if going back was meant: what this version knows is used; the file is kept beside it for the newer one",
  ],
  STORAGE_FAILED: [
    "the disk did not take the data",
    "check free space and the medium; the source is kept and tried again",
  ],
  TOO_FEW_SAMPLES: ["there are too few labelled samples", "collect more samples per class"],
  TOO_MANY_UPLOADS: ["too many files are on their way at once", "send it again in a moment"],
  UNAUTHORIZED: [
    "the request is not allowed over the network as it is",
    "send the configured http.token as Authorization: Bearer …; everything is allowed on the socket",
  ],
  UNKNOWN_CLASS: [
    "a sample's class is not one of the model's labels",
    "rename the class folder, or use a model that knows the class",
  ],
  UNKNOWN_METHOD: ["there is no such method", "choose from the methods listed"],
  UNKNOWN_MODEL: ["no model of this name is in the catalogue", "see lichen models for those that are"],
  UNSUPPORTED_AUDIO: [
    "the recording's encoding is not supported",
    "record 8 to 32-bit PCM or float WAV, with at most eight channels",
  ],
  UNSUPPORTED_OPERATOR: [
    "an operator is not supported here",
    "choose a later frontier, or export the model without the operator",
  ],
  WRONG_FILE: [
    "the file is not the one that the catalogue means",
    "nothing of it was kept: fetch the file again, from another place if need be",
  ],
} as const satisfies Record<string, readonly [what: string, todo: string]>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetails {
  /** The place: a file, a field, a node, a topic. */
  at?: string;
  found?: string | number;
  wanted?: string | number;
  /** Replaces the table's advice where the thrower knows better. */
  todo?: string;
  cause?: unknown;
}

/** An error that a person can act on: `CODE: what (at …; found …; wanted …). What to do.` */
export class LichenError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    const [what, todo] = ERRORS[code];
    const facts = (["at", "found", "wanted"] as const)
      .filter((key) => details[key] !== undefined)
      .map((key) => (key === "at" ? `${details.at}` : `${key} ${details[key]}`));
    super(`${code}: ${what}${facts.length > 0 ? ` (${facts.join("; ")})` : ""}. To do: ${details.todo ?? todo}.`, {
      cause: details.cause,
    });
    this.name = "LichenError";
    this.code = code;
    this.details = details;
  }
}

/** Where long work asks whether anybody still wants it. @throws CANCELLED */
export function assertWanted(signal: AbortSignal | undefined, at: string): void {
  if (signal?.aborted) throw new LichenError("CANCELLED", { at });
}

/** The stable code of any error; what Lichen did not foresee is `INTERNAL`. */
export function errorCode(error: unknown): ErrorCode | "INTERNAL" {
  return error instanceof LichenError ? error.code : "INTERNAL";
}
