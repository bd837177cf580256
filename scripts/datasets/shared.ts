import path from "node:path";

/** Third-party models and data sets, which are never part of the project. */
export const sharedFolder = (): string => process.env.LICHEN_SHARED ?? "../shared";

/** The Free Spoken Digit Dataset: WAV files named after digit, speaker and take. */
export const spokenDigitsFolder = (): string => path.join(sharedFolder(), "data/fsdd");

/** TrashNet: parts `train` and `val`, a folder for each kind of waste. */
export const trashnetFolder = (): string => path.join(sharedFolder(), "data/trashnet");
