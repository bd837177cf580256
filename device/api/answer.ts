import * as z from "zod";

/** What the daemon answers, shared with the command. A change that breaks a reader gets a new number. */
export const answer = <N extends string, S extends z.ZodRawShape>(name: N, shape: S) =>
  z.object({ schema: z.literal(`lichen/${name}/1`), ...shape });

export const problemSchema = z.object({ code: z.string(), message: z.string() });
export const count = z.number();
