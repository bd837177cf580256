/** Takes a sentence that the owner of a model should read: what was assumed, and what was changed. */
export type Note = (sentence: string) => void;
